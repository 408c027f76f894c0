/**
 * Every message between the front and a device host: one file that both ends share. They travel as JSON lines over the
 * control socket (channel.ts); orders and results go through the ring (ring.ts) where there is one.
 */
import type { CostSample, LoadReport, ModelKey, ModelSource } from '../contracts/model.ts';
import { DATATYPES, type Region, type TensorSpec } from '../contracts/tensor.ts';
import { isArrayOf, isCount, isFields, isMeasure, isText } from './checks.ts';
import type { Provider } from './discovery.ts';

/** Descriptors of a host, by their place in `stdio`. */
export const CONTROL_FD = 3;
export const ARENA_FD = 4;
export const DOORBELL_FD = 5;

export interface HostSettings {
  readonly device: string;
  readonly provider: Provider;
  /** Worker threads; each runs one batch at a time. */
  readonly workers: number;
  readonly native: 'addon' | 'fallback';
  readonly arena: { readonly kind: 'mapped' | 'file'; readonly byteLength: number };
  /** Null: orders and results are messages. */
  readonly ring: { readonly region: Region; readonly entries: number } | null;
}

/** How a host makes inputs for a model again: what probing found. Opaque to the front, which keeps it for a restart. */
export interface WarmupPlan {
  /** Shape of every input with one row, by position. */
  readonly shapes: readonly (readonly number[])[];
  /** Index of the kind of random values that the model accepts. */
  readonly values: number;
}

/** What a load found out. `warmup` is null when no random input worked. */
export interface Loaded {
  readonly report: LoadReport;
  readonly warmup: WarmupPlan | null;
}

export type FrontMessage =
  | { readonly type: 'start'; readonly settings: HostSettings }
  /** `known`: after a restart, what the first load found; the host then warms up only. */
  | { readonly type: 'load'; readonly id: number; readonly source: ModelSource; readonly known: Loaded | null }
  | { readonly type: 'unload'; readonly id: number; readonly key: ModelKey }
  /** An order, as in orders.ts. */
  | { readonly type: 'run'; readonly order: string }
  | { readonly type: 'stop' };

export type HostMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'loaded'; readonly id: number; readonly loaded: Loaded }
  | { readonly type: 'unloaded'; readonly id: number }
  /** A load or unload did not work. */
  | { readonly type: 'failed'; readonly id: number; readonly message: string }
  | { readonly type: 'started'; readonly batchId: number; readonly startedMs: number }
  /** A result, as in orders.ts. */
  | { readonly type: 'done'; readonly batchId: number; readonly result: string }
  /** The host is about to die, and knows why. */
  | { readonly type: 'fatal'; readonly reason: string };

const MAX_TEXT = 4096;

/** Checks a message of a host. Null: it is none, and the host that sent it must not be trusted further. */
export function parseHostMessage(value: unknown): HostMessage | null {
  if (!isFields(value)) return null;
  const { type, id, batchId } = value;
  switch (type) {
    case 'ready':
      return { type };
    case 'loaded':
      return isCount(id) && isLoaded(value['loaded']) ? { type, id, loaded: value['loaded'] } : null;
    case 'unloaded':
      return isCount(id) ? { type, id } : null;
    case 'failed':
      return isCount(id) && isText(value['message']) ? { type, id, message: value['message'].slice(0, MAX_TEXT) } : null;
    case 'started':
      return isCount(batchId) && isMeasure(value['startedMs']) ? { type, batchId, startedMs: value['startedMs'] } : null;
    case 'done':
      return isCount(batchId) && isText(value['result']) ? { type, batchId, result: value['result'] } : null;
    case 'fatal':
      return isText(value['reason']) ? { type, reason: value['reason'].slice(0, MAX_TEXT) } : null;
    default:
      return null;
  }
}

/** A message of the front, which hosts trust: only its form is checked. */
export function parseFrontMessage(value: unknown): FrontMessage | null {
  return isFields(value) && isText(value['type']) && ['start', 'load', 'unload', 'run', 'stop'].includes(value['type']) ? (value as unknown as FrontMessage) : null;
}

function isLoaded(value: unknown): value is Loaded {
  if (!isFields(value) || !isFields(value['report'])) return false;
  const { report, warmup } = value;
  if (warmup !== null && !(isFields(warmup) && isArrayOf(warmup['shapes'], isShape) && isCount(warmup['values']))) return false;
  const { inputs, outputs, batching, costs } = report;
  if (!isArrayOf(inputs, isSpec) || !isArrayOf(outputs, isSpec) || !isFields(batching)) return false;
  const { batchable, reason, inputAxes, outputAxes } = batching;
  return (
    typeof batchable === 'boolean' && isText(reason) && isAxes(inputAxes, inputs) && isAxes(outputAxes, outputs) &&
    (batchable ? inputAxes.some((axis) => axis !== null) : [...inputAxes, ...outputAxes].every((axis) => axis === null)) &&
    isArrayOf(costs, isCost) && costs.length > 0 &&
    isMeasure(report['outputBytesPerRow']) && isMeasure(report['inputElementsPerRow']) && isMeasure(report['loadMs'])
  );
}

function isShape(value: unknown): value is readonly number[] {
  return isArrayOf(value, isCount);
}

function isSpec(value: unknown): value is TensorSpec {
  return isFields(value) && isText(value['name']) && DATATYPES.some((datatype) => datatype === value['datatype']) &&
    isArrayOf(value['shape'], (size): size is number => size === -1 || isCount(size));
}

/** One axis, or null, for each tensor, and within its rank. */
function isAxes(value: unknown, specs: readonly TensorSpec[]): value is readonly (number | null)[] {
  return Array.isArray(value) && value.length === specs.length && specs.every(({ shape }, index) => {
    const axis: unknown = value[index];
    return axis === null || (isCount(axis) && axis < shape.length);
  });
}

function isCost(value: unknown): value is CostSample {
  return isFields(value) && isCount(value['rows']) && value['rows'] > 0 && isMeasure(value['medianMs']) && isMeasure(value['p95Ms']);
}
