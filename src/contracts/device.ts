/** Devices and what runs on them. Messages are plain data: they cross process boundaries. */
import type { LoadReport, ModelKey, ModelSource } from './model.ts';
import type { Region } from './tensor.ts';

/** `cpu`, or `gpu:N` with N the index that NVML gives. It is also the device's concurrency id. */
export type DeviceId = string;

/** STARTING → READY ⇄ RESTARTING → DOWN; STOPPED is final. Only READY devices get batches. */
export type DeviceState = 'STARTING' | 'READY' | 'RESTARTING' | 'DOWN' | 'STOPPED';

export interface GpuInfo {
  readonly index: number;
  readonly name: string;
  readonly uuid: string;
  readonly memoryTotalBytes: number;
  readonly memoryUsedBytes: number;
  /** Percent; null where the driver does not tell. */
  readonly utilizationPercent: number | null;
}

/** A part of a job inside a batch: rows [rowStart, rowStart + rows) of the job's own tensor. */
export interface Segment {
  readonly offset: number;
  /** Bytes of the job's whole tensor at `offset`. */
  readonly byteLength: number;
  readonly rowStart: number;
  readonly rows: number;
  /** Rows of the job's whole tensor. */
  readonly totalRows: number;
  /** Generation of the slab that it lies in. */
  readonly generation: number;
}

export interface BatchInput {
  /** The whole batch's shape, padding included. */
  readonly shape: readonly number[];
  /** In batch order. One segment: the model reads it in place. An input without a batch axis has exactly one. */
  readonly segments: readonly Segment[];
}

/** Everything that a host needs to run one batch. */
export interface BatchOrder {
  readonly batchId: number;
  readonly modelKey: ModelKey;
  /** By position, as the model declares them. */
  readonly inputs: readonly BatchInput[];
  readonly rows: number;
  /** rows, or the warmed size above it that the host pads to (by repeating the last row). */
  readonly paddedRows: number;
  /** Where the outputs go, one after another, each at a multiple of 64. */
  readonly output: Region;
}

export interface BatchOutput extends Region {
  readonly shape: readonly number[];
}

export interface BatchTimings {
  /** When the host began, on the monotonic clock. */
  readonly startedMs: number;
  readonly inputMs: number;
  readonly inferMs: number;
  readonly outputMs: number;
}

/** How a batch ended. `MODEL_FAILED`: the model's own error. `OUTPUT_SPACE`: needs `neededBytes` for its outputs. */
export type BatchResult =
  | { readonly batchId: number; readonly ok: true; readonly outputs: readonly BatchOutput[]; readonly timings: BatchTimings; readonly copiedBytes: number }
  | { readonly batchId: number; readonly ok: false; readonly code: 'MODEL_FAILED' | 'OUT_OF_MEMORY' | 'BAD_ORDER'; readonly message: string }
  | { readonly batchId: number; readonly ok: false; readonly code: 'OUTPUT_SPACE'; readonly message: string; readonly neededBytes: number };

/** Why a batch came back without a result: the host died, was killed at its budget, or lied. */
export interface DeviceLoss {
  readonly batchId: number;
  readonly reason: string;
}

export interface DeviceStatus {
  readonly id: DeviceId;
  readonly kind: 'cpu' | 'gpu';
  readonly provider: string;
  readonly state: DeviceState;
  readonly slots: number;
  readonly pid: number | null;
  readonly restarts: number;
  readonly lastError: string | null;
  readonly gpu: GpuInfo | null;
  /** Models that don't serve here and why, in the order they failed. */
  readonly fallbacks: readonly { readonly model: ModelKey; readonly reason: string }[];
}

/** What a device tells the pipeline. */
export interface BatchListener {
  /** A host began the batch (it may have waited behind another one). */
  batchStarted(batchId: number, startedMs: number): void;
  batchDone(result: BatchResult): void;
  batchLost(loss: DeviceLoss): void;
  stateChanged(device: DeviceId, state: DeviceState): void;
}

/** What a device tells everybody. */
export interface DeviceListener extends BatchListener {
  /** A model that served there did not load again after a restart: batches for it are lost there from now on. */
  modelLost(device: DeviceId, model: ModelKey, reason: string): void;
}

/** One device as the pipeline sees it; behind it stands a child process that the supervisor keeps alive. */
export interface Device {
  readonly id: DeviceId;
  readonly kind: 'cpu' | 'gpu';
  /** Batches that can run at once. */
  readonly slots: number;
  /** Batches that may wait in the host behind running ones. */
  readonly prefetch: number;
  status(): DeviceStatus;
  /** Loads, probes and measures. Rejects with a SluiceError (MODEL_LOAD_FAILED) whose message says why. */
  load(source: ModelSource): Promise<LoadReport>;
  unload(key: ModelKey): Promise<void>;
  /** At most slots + prefetch at a time. `budgetMs`: the host is killed when the batch has run longer than this. */
  run(order: BatchOrder, budgetMs: number): void;
  /** Waits for running batches, then ends the child. */
  close(): Promise<void>;
  /** Ends the child now. */
  destroy(): void;
}

