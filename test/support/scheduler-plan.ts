/** What a random scheduler world is made of: its plan, and the models, costs and answers that follow from it. */
import type { BatchOrder, BatchResult } from '../../src/contracts/device.ts';
import type { ServingModel } from '../../src/contracts/model.ts';
import { servingModel, type ModelOptions } from './pipeline.ts';

export interface ModelPlan {
  readonly batchable: boolean;
  /** Rows along axis 0; along axis 1; two inputs, one of each; axis 0 with a width of each job's own. */
  readonly layout: 'first' | 'second' | 'both' | 'dynamic';
  /** How many of the sizes 1, 2, 4, 8 were measured, and their costs as baseMs × rows ^ exponent. */
  readonly sizes: number;
  readonly baseMs: number;
  readonly exponent: number;
  readonly maxBatchSize: number | null;
  readonly maxQueueDelayMs: number | null;
  readonly preferredBatchSizes: readonly number[] | null;
  /** Index of its concurrency id; null for none. */
  readonly concurrency: number | null;
  /** Devices that load it, as bits; the first one where none of them exists. */
  readonly devices: number;
}

export interface DevicePlan {
  readonly kind: 'cpu' | 'gpu';
  readonly slots: number;
  readonly prefetch: number;
  /** Its costs over the model's. */
  readonly slowness: number;
}

export interface WorldPlan {
  readonly devices: readonly DevicePlan[];
  readonly models: readonly ModelPlan[];
  /** By concurrency id. */
  readonly limits: readonly number[];
  /** One kind of device, and equal costs: no idle slot may be left beside work. Otherwise only while nothing is busy. */
  readonly alike: boolean;
}

/** How a batch ends. `lie`: with a result that can't be right. `lost`: with its host. */
export type Ending = 'ok' | 'MODEL_FAILED' | 'OUT_OF_MEMORY' | 'BAD_ORDER' | 'OUTPUT_SPACE' | 'lie' | 'lost';

const SIZES = [1, 2, 4, 8];
const TENSORS: Readonly<Record<ModelPlan['layout'], NonNullable<ModelOptions['tensors']>>> = {
  first: [{ shape: [-1, 4], axis: 0 }],
  second: [{ shape: [3, -1, 2], axis: 1 }],
  both: [{ shape: [-1, 2], axis: 0 }, { shape: [2, -1], axis: 1 }],
  dynamic: [{ shape: [-1, -1], axis: 0 }],
};

export function modelOf(plan: ModelPlan, index: number, limits: readonly number[]): ServingModel {
  const { batchable, layout, maxBatchSize, maxQueueDelayMs, preferredBatchSizes, concurrency } = plan;
  return servingModel({
    name: `model${index}`, batchable, tensors: TENSORS[layout], dynamicShapes: layout === 'dynamic',
    policy: { maxBatchSize, maxQueueDelayMs, preferredBatchSizes },
    concurrency: concurrency === null ? null : { id: `id${concurrency}`, limit: limits[concurrency]! },
  });
}

/** Indexes of the devices that load it. */
export function loadedOn(bits: number, devices: number): readonly number[] {
  const chosen = Array.from({ length: devices }, (_, i) => i).filter((i) => (bits >> i) % 2 === 1);
  return chosen.length === 0 ? [0] : chosen;
}

/** As a load measures them. */
export function costsOf(plan: ModelPlan, slowness: number): Readonly<Record<number, number>> {
  return Object.fromEntries(SIZES.slice(0, plan.sizes).map((rows) => [rows, plan.baseMs * slowness * rows ** plan.exponent]));
}

/** What the load measured for the order's size and shape: batches that take so long teach nothing. */
export function measuredMs(plan: ModelPlan, { inputs, paddedRows }: BatchOrder): number {
  const [rows, width] = plan.layout === 'dynamic' ? inputs[0]!.shape : [1, 4];
  const scale = plan.batchable || plan.layout !== 'dynamic' ? width! / 4 : (rows! * width!) / 4;
  return plan.baseMs * paddedRows ** plan.exponent * scale;
}

/** The largest batch that may ever run. */
export function largestBatch(plan: ModelPlan): number {
  return plan.batchable ? Math.min(plan.maxBatchSize ?? Infinity, SIZES[plan.sizes - 1]!) : 1;
}

/** What the host answers; null where it computes. */
export function answerOf({ batchId, output }: BatchOrder, ending: Ending): BatchResult | null {
  const message = 'made by a test';
  if (ending === 'ok' || ending === 'lost') return null;
  if (ending === 'lie') return { batchId, ok: true, outputs: [], timings: { startedMs: 0, inputMs: 0, inferMs: 1, outputMs: 0 }, copiedBytes: 0 };
  if (ending === 'OUTPUT_SPACE') return { batchId, ok: false, code: ending, message, neededBytes: output.byteLength + 64 };
  return { batchId, ok: false, code: ending, message };
}
