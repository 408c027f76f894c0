/**
 * Orders and results as compact JSON: arrays instead of objects, because they are written and read for every batch
 * (about 2 µs each way). The front checks every figure of a result against what it ordered.
 */
import type { BatchInput, BatchOrder, BatchOutput, BatchResult, Segment } from '../contracts/device.ts';
import { ELEMENT_BYTES, elementCount, type TensorSpec } from '../contracts/tensor.ts';
import { isArrayOf, isCount, isMeasure, isText } from './checks.ts';

/** shape, then six numbers for each segment. */
type PackedInput = readonly [readonly number[], readonly number[]];
type PackedOrder = readonly [number, string, number, number, number, number, readonly PackedInput[]];

const SEGMENT_NUMBERS = 6;

export function encodeOrder(order: BatchOrder): string {
  const packed: PackedOrder = [
    order.batchId, order.modelKey, order.rows, order.paddedRows, order.output.offset, order.output.byteLength,
    order.inputs.map((input) => {
      const numbers: number[] = [];
      for (const segment of input.segments) {
        numbers.push(segment.offset, segment.byteLength, segment.rowStart, segment.rows, segment.totalRows, segment.generation);
      }
      return [input.shape, numbers];
    }),
  ];
  return JSON.stringify(packed);
}

/** For the host, which trusts the front. Throws on what is no order. */
export function decodeOrder(text: string): BatchOrder {
  const [batchId, modelKey, rows, paddedRows, offset, byteLength, inputs] = JSON.parse(text) as PackedOrder;
  return { batchId, modelKey, rows, paddedRows, output: { offset, byteLength }, inputs: inputs.map(unpackInput) };
}

function unpackInput([shape, numbers]: PackedInput): BatchInput {
  const segments: Segment[] = [];
  for (let at = 0; at + SEGMENT_NUMBERS <= numbers.length; at += SEGMENT_NUMBERS) {
    segments.push({
      offset: numbers[at]!, byteLength: numbers[at + 1]!, rowStart: numbers[at + 2]!,
      rows: numbers[at + 3]!, totalRows: numbers[at + 4]!, generation: numbers[at + 5]!,
    });
  }
  return { shape, segments };
}

type Success = Extract<BatchResult, { ok: true }>;
type Failure = Exclude<BatchResult, { ok: true }>;

/** Figures to the nearest microsecond: more digits than that only take time to print. */
const micros = (milliseconds: number): number => Math.round(milliseconds * 1000) / 1000;

export function encodeResult(result: BatchResult): string {
  if (!result.ok) return JSON.stringify([result.batchId, 0, result.code, result.message, result.code === 'OUTPUT_SPACE' ? result.neededBytes : 0]);
  const { startedMs, inputMs, inferMs, outputMs } = result.timings;
  return JSON.stringify([
    result.batchId, 1, micros(startedMs), micros(inputMs), micros(inferMs), micros(outputMs), result.copiedBytes,
    result.outputs.map((output) => [output.offset, output.byteLength, output.shape]),
  ]);
}

/** What an order allows a result to say. */
export interface Expected {
  readonly order: BatchOrder;
  readonly outputs: readonly TensorSpec[];
}

/** A result, or in words what is wrong with it. */
export function decodeResult(text: string, expected: Expected): BatchResult | string {
  let packed: unknown;
  try {
    packed = JSON.parse(text);
  } catch {
    return 'a result that is not JSON';
  }
  if (!Array.isArray(packed)) return 'a result that is no array';
  const fields: readonly unknown[] = packed;
  if (fields[0] !== expected.order.batchId) return 'a result for another batch';
  return fields[1] === 1 ? decodeSuccess(fields, expected) : decodeFailure(fields, expected);
}

function decodeSuccess(fields: readonly unknown[], { order, outputs: specs }: Expected): Success | string {
  const [, , startedMs, inputMs, inferMs, outputMs, copiedBytes, outputs] = fields;
  if (!isMeasure(startedMs) || !isMeasure(inputMs) || !isMeasure(inferMs) || !isMeasure(outputMs) || !isCount(copiedBytes)) return 'timings that are no numbers';
  if (!Array.isArray(outputs) || outputs.length !== specs.length) return `outputs that are not the model's ${specs.length}`;
  const decoded: BatchOutput[] = [];
  for (const [index, spec] of specs.entries()) {
    const output = decodeOutput(outputs[index], spec, order);
    if (output === null) return `a place or shape for output ${index} that cannot be`;
    decoded.push(output);
  }
  return { batchId: order.batchId, ok: true, outputs: decoded, timings: { startedMs, inputMs, inferMs, outputMs }, copiedBytes };
}

function decodeOutput(value: unknown, spec: TensorSpec, { output: region }: BatchOrder): BatchOutput | null {
  if (!Array.isArray(value)) return null;
  const fields: readonly unknown[] = value;
  const [offset, byteLength, shape] = fields;
  if (!isCount(offset) || !isCount(byteLength) || !isArrayOf(shape, isCount)) return null;
  if (offset < region.offset || offset + byteLength > region.offset + region.byteLength) return null;
  const count = elementCount(shape);
  const elementBytes = ELEMENT_BYTES[spec.datatype];
  // A BYTES element takes at least the four bytes of its length.
  if (count === null || (elementBytes === null ? byteLength < count * 4 : byteLength !== count * elementBytes)) return null;
  return { offset, byteLength, shape };
}

function decodeFailure(fields: readonly unknown[], { order }: Expected): Failure | string {
  const [, , code, message, neededBytes] = fields;
  if (!isText(message)) return 'an error without a message';
  const { batchId } = order;
  if (code === 'OUTPUT_SPACE') return isCount(neededBytes) && neededBytes > order.output.byteLength ? { batchId, ok: false, code, message, neededBytes } : 'a need for space that it had';
  return code === 'MODEL_FAILED' || code === 'OUT_OF_MEMORY' || code === 'BAD_ORDER' ? { batchId, ok: false, code, message } : 'an unknown code';
}
