/** A model as the stages see it, once the repository has read its folder and a device host has loaded and measured it. */
import type { TensorSpec } from './tensor.ts';

/**
 * `name` and `version` in one string, `name/version`: the key of everything that is kept per model version. A version that
 * was loaded again while it served is `name/version@2` (3, …) inside, so that old and new can be told apart while they change places.
 */
export type ModelKey = string;

/** Name and version of a key, the same for all revisions of a version: what labels and statistics go by. */
export function parseModelKey(key: ModelKey): { readonly name: string; readonly version: string } {
  const slash = key.indexOf('/');
  const at = key.indexOf('@', slash);
  return { name: key.slice(0, slash), version: at === -1 ? key.slice(slash + 1) : key.slice(slash + 1, at) };
}

export type ModelState = 'LOADING' | 'READY' | 'UNLOADING' | 'UNAVAILABLE';

/** What a device host needs to load a model. Plain data: it crosses a process boundary. */
export interface ModelSource {
  readonly key: ModelKey;
  readonly name: string;
  readonly version: string;
  /** Absolute path of the ONNX file. */
  readonly path: string;
  /** Row shapes (without the batch axis where there is one) to warm up with, by input name; others are guessed. */
  readonly warmupShapes: Readonly<Record<string, readonly number[]>>;
  /** From model.json: 1 forbids batching, undefined lets measurement decide. */
  readonly maxBatchSize?: number;
  /** Largest difference allowed between a row alone and the same row in a batch, relative to the output's magnitude. */
  readonly batchTolerance: number;
  readonly warmupBudgetMs: number;
}

/** Along which axis rows lie; null: the tensor has no batch axis (an input that all rows of a batch must share). */
export type BatchAxis = number | null;

/** What measurement found out about batching (research/models.md: names of axes prove nothing). */
export interface Batching {
  readonly batchable: boolean;
  /** One sentence for people: why it batches, or why not. */
  readonly reason: string;
  /** By position, as in `inputs` and `outputs`. All null where batchable is false. */
  readonly inputAxes: readonly BatchAxis[];
  readonly outputAxes: readonly BatchAxis[];
}

/** One measured point of the cost curve: a batch of `rows` took this long on the device. */
export interface CostSample {
  readonly rows: number;
  readonly medianMs: number;
  readonly p95Ms: number;
}

/** A host's answer to a load: what the file declares and what was measured. Plain data. */
export interface LoadReport {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly batching: Batching;
  /** By ascending rows; at least rows = 1. Rows run 1, 2, 4, 8 … as far as the budget and max batch allow. */
  readonly costs: readonly CostSample[];
  /** Bytes of all outputs of one row at the warm-up shape: a first guess for output space. */
  readonly outputBytesPerRow: number;
  /** Elements of all inputs of one row at the warm-up shape: costs of other shapes are scaled from it until measured. */
  readonly inputElementsPerRow: number;
  readonly loadMs: number;
}

/** From model.json; null where it leaves the decision to measurement. */
export interface BatchingPolicy {
  readonly maxBatchSize: number | null;
  readonly maxQueueDelayMs: number | null;
  readonly preferredBatchSizes: readonly number[] | null;
}

/** A model's own concurrency id (Gradio's rule): shared by name among models, declared once with its limit. */
export interface ModelConcurrency {
  readonly id: string;
  readonly limit: number;
}

/** A model that serves. */
export interface ServingModel {
  readonly key: ModelKey;
  readonly name: string;
  readonly version: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly batching: Batching;
  readonly policy: BatchingPolicy;
  readonly concurrency: ModelConcurrency | null;
  /** True where some dimension other than the batch axis is dynamic, so that requests fall into several buckets. */
  readonly dynamicShapes: boolean;
}
