/** What a host's main thread and its workers say to each other over a MessagePort. Plain data. */
import type { MessagePort } from 'node:worker_threads';
import type { BatchAxis, ModelKey, ModelSource } from '../../contracts/model.ts';
import type { TensorSpec } from '../../contracts/tensor.ts';
import type { HostSettings, WarmupPlan } from '../protocol.ts';
import type { Measured } from './measure.ts';
import type { ProbeOutcome } from './probe.ts';

/** The one task that each Piscina worker runs, for as long as the host lives. */
export interface WorkerTask {
  readonly port: MessagePort;
  readonly settings: HostSettings;
}

export interface Opened {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** Questions to a worker, and their answers. */
export interface WorkerCalls {
  /** Answered once the worker has everything it needs to run batches. */
  hello: { ask: object; answer: null };
  /** Creates the session. */
  open: { ask: { readonly source: ModelSource }; answer: Opened };
  probe: { ask: { readonly source: ModelSource }; answer: ProbeOutcome };
  measure: { ask: { readonly key: ModelKey; readonly inputAxes: readonly BatchAxis[]; readonly warmup: WarmupPlan; readonly maxRows: number; readonly budgetMs: number }; answer: Measured };
  warm: { ask: { readonly key: ModelKey; readonly inputAxes: readonly BatchAxis[]; readonly warmup: WarmupPlan; readonly sizes: readonly number[] }; answer: null };
  /** From here on the worker runs batches of the model. */
  serve: { ask: { readonly key: ModelKey; readonly inputAxes: readonly BatchAxis[] }; answer: null };
  /** Frees the session; nothing happens when there is none. */
  close: { ask: { readonly key: ModelKey }; answer: null };
  /** Ends the worker's task, after freeing every session. */
  stop: { ask: object; answer: null };
}

export type CallName = keyof WorkerCalls;

export type WorkerCall = { [Name in CallName]: { readonly type: Name; readonly id: number } & WorkerCalls[Name]['ask'] }[CallName];

/** `run`: an order, where there is no ring. */
export type ToWorker = WorkerCall | { readonly type: 'run'; readonly order: string };

export type FromWorker =
  | { readonly type: 'answer'; readonly id: number; readonly value: WorkerCalls[CallName]['answer'] }
  | { readonly type: 'error'; readonly id: number; readonly message: string }
  | { readonly type: 'started'; readonly batchId: number; readonly startedMs: number }
  | { readonly type: 'done'; readonly batchId: number; readonly result: string }
  /** The device is beyond repair: the host has to end. */
  | { readonly type: 'fatal'; readonly reason: string };
