/** The ports between stages. app.ts joins them; no stage imports another. */
import type { SluiceError } from '../errors.ts';
import type { DeviceId, DeviceStatus } from './device.ts';
import type { JobId, JobTimings } from './job.ts';
import type { ModelKey, ModelState, ServingModel } from './model.ts';
import type { TensorSpec } from './tensor.ts';

/** What is known of a request when only its headers have been read. */
export interface RequestHead {
  readonly model: ServingModel;
  /** Bytes of the body; null when chunked. */
  readonly contentLength: number | null;
  readonly caller: string;
  /** On the monotonic clock. */
  readonly deadlineMs: number;
}

/** Decides on the headers, before a body is read, whether a request comes in. */
export interface Admission {
  /** Throws a SluiceError (OVERLOADED, STOPPING, TOO_LARGE, …, with retryAfterMs) or returns a ticket to give back when the request is over. */
  admit(head: RequestHead): { release(): void };
}

/** How a version of a model stands, for the index, metadata and readiness. */
export interface ModelEntry {
  readonly name: string;
  readonly version: string;
  readonly state: ModelState;
  /** Why, when it is not READY. */
  readonly reason: string;
}

export interface ModelRepository {
  /** Every version that is known, by name, then ascending version. */
  index(): readonly ModelEntry[];
  /** The version asked for, or the newest READY one. Throws UNKNOWN_MODEL, NOT_READY or MODEL_UNAVAILABLE. */
  resolve(name: string, version?: string): ServingModel;
  /** Reads the folder again and loads what is new or changed; resolves when READY, rejects with why not. */
  load(name: string): Promise<void>;
  /** Stops serving, waits for accepted work, frees. Rejects UNKNOWN_MODEL. */
  unload(name: string): Promise<void>;
  /** All versions a model serves, ascending. */
  versions(name: string): readonly string[];
  /** model.json as read, with every default filled in, for GET …/config. */
  config(name: string, version?: string): ModelConfigView;
}

/** What GET …/config shows: Triton's field names. */
export interface ModelConfigView {
  readonly name: string;
  readonly platform: string;
  readonly maxBatchSize: number;
  readonly maxQueueDelayMs: number | null;
  readonly preferredBatchSizes: readonly number[] | null;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /**
   * Triton's `parameters` ({"key": {"string_value": "…"}}): what model.json says beyond tensors, for people and clients.
   * `description` is text; `image`, `labels` and `decode` are JSON, as `sluice infer` reads them.
   */
  readonly parameters?: Readonly<Record<string, string>>;
}

/** What happens to jobs and batches, told by the stages; metrics, statistics and logs listen. */
export interface Observer {
  jobSucceeded(event: { readonly model: ModelKey; readonly id: JobId; readonly rows: number; readonly device: string; readonly batchRows: number; readonly timings: JobTimings; /** Of its wait, when it was submitted. */ readonly predictedQueueMs: number }): void;
  jobFailed(event: { readonly model: ModelKey; readonly id: JobId; readonly error: SluiceError; readonly totalMs: number }): void;
  batchDone(event: { readonly model: ModelKey; readonly device: string; readonly rows: number; readonly paddedRows: number; readonly reason: string; readonly predictedMs: number; readonly inputMs: number; readonly inferMs: number; readonly outputMs: number; readonly copiedBytes: number }): void;
  batchLost(event: { readonly model: ModelKey; readonly device: string; readonly reason: string }): void;
  refused(event: { readonly model: ModelKey | null; readonly error: SluiceError }): void;
  fallback(event: { readonly model: ModelKey; readonly device: string; readonly reason: string }): void;
}

/** What one model did since the server started: Triton's statistics extension, in nanoseconds and counts. */
export interface ModelStatistics {
  readonly name: string;
  readonly version: string;
  readonly lastInferenceMs: number;
  readonly inferenceCount: number;
  readonly executionCount: number;
  readonly success: DurationStat;
  readonly fail: DurationStat;
  readonly queue: DurationStat;
  readonly computeInput: DurationStat;
  readonly computeInfer: DurationStat;
  readonly computeOutput: DurationStat;
  readonly batches: readonly { readonly batchSize: number; readonly computeInput: DurationStat; readonly computeInfer: DurationStat; readonly computeOutput: DurationStat }[];
}

export interface DurationStat {
  readonly count: number;
  readonly ns: number;
}

export interface Statistics {
  /** Null when the model has done nothing yet. */
  of(key: ModelKey): ModelStatistics | null;
}

/** What the scheduler believes that batches of a model cost on one device, for requests of one shape. */
export interface BatchCosts {
  readonly device: DeviceId;
  /** Row shapes of the bucket; empty for models of one shape. */
  readonly bucket: string;
  readonly bestRows: number;
  readonly maxRows: number;
  /** Observed over measured cost, smoothed: 1 when the machine is as it was at the load. */
  readonly drift: number;
  /** `ms`: predicted, in the host; `batches` that have run at this size: without any, the prediction is the load's measurement times the drift. */
  readonly sizes: readonly { readonly rows: number; readonly ms: number; readonly batches: number }[];
}

export interface QueuedData {
  readonly request_id: JobId;
  readonly position: number;
  readonly queue_size: number;
  readonly eta_ms: number | null;
}

export interface Health {
  /** False from the first moment of stopping, and while no device or no model is ready. */
  ready(): boolean;
  /** Why it is not ready; empty when it is. */
  reason(): string;
}

export interface DeviceView {
  devices(): readonly DeviceStatus[];
  /** What discovery found, or why it found nothing, in one sentence. */
  discovery(): string;
}

