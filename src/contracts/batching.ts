/** What the scheduler asks of the batcher: pure functions from jobs and costs to sizes, orders and slices. */
import type { TensorArena, TensorMemory } from './arena.ts';
import type { BatchOrder, BatchResult } from './device.ts';
import type { Job, OutputTensor } from './job.ts';
import type { ModelKey, ServingModel } from './model.ts';
import type { Region } from './tensor.ts';

/** Rows [rowStart, rowStart + rows) of a job, as one batch takes them. */
export interface JobPart {
  readonly job: Job;
  readonly rowStart: number;
  readonly rows: number;
  /** Rows of the whole job. */
  readonly jobRows: number;
}

/** How many rows a job has, and what it can share a batch with: jobs of one model and one bucket. */
export interface JobShape {
  readonly rows: number;
  readonly bucket: string;
}

/** Predicted cost of a batch, by rows. Padding is in it: the cost of 5 rows on a device that pads to 8 is that of 8. */
export interface CostCurve {
  /** Sizes worth choosing, ascending; the first is 1. */
  readonly sizes: readonly number[];
  /** Nothing larger is ever chosen. */
  readonly maxRows: number;
  /** costMs[rows] for 1 ≤ rows ≤ maxRows; index 0 is not used. */
  readonly costMs: ArrayLike<number>;
}

export interface SizeQuery {
  /** Rows that wait. At least 1. */
  readonly rows: number;
  /** Upper bound of the answer, at least 1. */
  readonly maxRows: number;
  readonly curve: CostCurve;
  /** When each slot that shares the work is free, in milliseconds from now. At least one. */
  readonly slotOffsetsMs: readonly number[];
  /** From model.json: the largest that is reached is taken. */
  readonly preferredSizes: readonly number[] | null;
  /** A larger size must finish the queue sooner by this share to be chosen, e.g. 0.02. */
  readonly enlargeGain: number;
  /** Milliseconds that others wait longer for each millisecond of a slot that is wasted: 0 when nobody else comes. */
  readonly pressure: number;
}

export interface BatchPlacement {
  readonly batchId: number;
  readonly modelKey: ModelKey;
  readonly paddedRows: number;
  readonly output: Region;
}

/** An order, and its parts in the order in which their rows lie in it. */
export interface AssembledBatch<Part extends JobPart> {
  readonly order: BatchOrder;
  readonly parts: readonly Part[];
}

export type SuccessfulResult = Extract<BatchResult, { readonly ok: true }>;

export interface Batcher {
  /** Throws a SluiceError (BAD_TENSOR) that names the input. */
  shapeOf(job: Job, memory: TensorMemory): JobShape;
  /** Elements of all inputs of one row. */
  elementsPerRow(job: Job, rows: number): number;
  /** The size that finishes the queue soonest over the slots. */
  chooseRows(query: SizeQuery): number;
  assemble<Part extends JobPart>(model: ServingModel, parts: readonly Part[], placement: BatchPlacement, arena: TensorArena): AssembledBatch<Part>;
  /** Why a host's result can't be right, in words; null when it can. */
  checkResult(model: ServingModel, order: BatchOrder, result: SuccessfulResult, memory: TensorMemory): string | null;
  /**
   * Outputs of each part, in batch order, without padding rows. Views into the arena where the memory is mapped and rows
   * lie together: valid while the batch's output space is held.
   */
  scatter(model: ServingModel, order: BatchOrder, parts: readonly JobPart[], result: SuccessfulResult, memory: TensorMemory): readonly (readonly OutputTensor[])[];
  /** Joins the outputs of a job's parts, given in row order. Null when their shapes do not fit together. */
  join(model: ServingModel, parts: readonly (readonly OutputTensor[])[]): readonly OutputTensor[] | null;
}
