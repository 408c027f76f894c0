/**
 * A job is one accepted inference request. It carries its reply, so that nothing downstream imports what is upstream.
 * Life: queued → (started → …) → settled. It settles exactly once; settling releases its inputs.
 */
import type { SluiceError } from '../errors.ts';
import type { ModelKey, ServingModel } from './model.ts';
import type { Datatype, Lease, Tensor } from './tensor.ts';

export type JobId = string;

/** An output of a job. `data` is valid only during the call that hands it over: copy what must live longer. */
export interface OutputTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Little-endian bytes, as in the binary tensor extension. */
  readonly data: Uint8Array;
}

export interface JobTimings {
  readonly queueMs: number;
  /** Gathering the batch, running the model, and storing the outputs, in the host. */
  readonly computeInputMs: number;
  readonly computeInferMs: number;
  readonly computeOutputMs: number;
  readonly totalMs: number;
}

export interface JobResult {
  readonly outputs: readonly OutputTensor[];
  readonly device: string;
  /** Rows of the batch that the job (its last part) ran in, without padding. */
  readonly batchRows: number;
  readonly timings: JobTimings;
}

/** Where a job's events go. Each method returns at once and never throws. */
export interface Reply {
  /** Called when the first part of the job begins to run on a device. */
  started(info: { readonly device: string; readonly batchRows: number; readonly queueMs: number }): void;
  /** Called exactly once, last. */
  succeeded(result: JobResult): void;
  /** Called exactly once, last. */
  failed(error: SluiceError): void;
}

export interface Job {
  readonly id: JobId;
  readonly model: ServingModel;
  /** By position, as in model.inputs. */
  readonly inputs: readonly Tensor[];
  readonly leases: readonly Lease[];
  /** 0 is the most urgent. */
  readonly priority: number;
  /** On the monotonic clock; Infinity for none. */
  readonly deadlineMs: number;
  /** Whose request this is, for fairness. */
  readonly caller: string;
  readonly enqueuedMs: number;
  readonly reply: Reply;
}

export interface QueuePosition {
  /** Jobs that run before this one; 0 is next. */
  readonly position: number;
  readonly queueSize: number;
  /** Predicted milliseconds until it starts; null while no cost is known. */
  readonly etaMs: number | null;
}

/** The way into the pipeline, as adapters (HTTP, gRPC, Gradio) see it. */
export interface Pipeline {
  /** Takes ownership of the job and its leases, always: the reply tells how it ended. */
  submit(job: Job): void;
  /** A client went away or withdrew. Queued: leaves at once. Running: its result is dropped. Unknown ids are ignored. */
  cancel(id: JobId): void;
  position(id: JobId): QueuePosition | null;
  /** What a new request of this caller for the model would find before it. Asked once per request: constant time. */
  backlog(key: ModelKey, caller: string): Backlog;
}

export interface Backlog {
  readonly queuedJobs: number;
  /** Jobs submitted and not settled, running ones included. */
  readonly activeJobs: number;
  /** Predicted wait of a new job, in milliseconds. */
  readonly waitMs: number;
  /** By how much one more job of the usual size lengthens the wait, in milliseconds; 0 until the model had a job. */
  readonly jobCostMs: number;
  /** How long a batch of late took, in milliseconds: what a request takes from its start on; 0 until the model had one. */
  readonly serviceMs: number;
}
