/** Runs one order: inputs from the arena, the model, outputs into the arena. One Executor belongs to one worker thread. */
import type { TensorMemory } from '../../contracts/arena.ts';
import type { BatchInput, BatchOrder, BatchOutput, BatchResult } from '../../contracts/device.ts';
import type { BatchAxis } from '../../contracts/model.ts';
import { ELEMENT_BYTES, elementCount, type Region, type TensorSpec } from '../../contracts/tensor.ts';
import { isOutOfMemory, plainMessage } from '../cuda-errors.ts';
import { ElementError, decodeStrings, elementsOf, encodeElements, encodedBytes } from './elements.ts';
import type { EngineModel, EngineTensor } from './engine.ts';
import { contiguousRegion, gatherRows, gatherStrings, isReadable, rowLayout } from './gather.ts';

/** Outputs and scratch tensors start at multiples of this: what ORT's vector code likes best. */
const ALIGNMENT = 64;

/** A model as a worker has it. */
export interface ExecutableModel {
  readonly model: EngineModel;
  readonly inputAxes: readonly BatchAxis[];
}

/** Scratch above this is given back after the batch that needed it. */
const KEPT_SCRATCH_BYTES = 64 * 1024 * 1024;

const align = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

class BadOrder extends Error {}

export class Executor {
  private readonly memory: TensorMemory;
  private readonly nowMs: () => number;
  /** Where rows are put together. It is reused by the next batch of this thread, and by no other. */
  private scratch = new ArrayBuffer(0);
  private scratchUsed = 0;

  constructor(memory: TensorMemory, nowMs: () => number) {
    this.memory = memory;
    this.nowMs = nowMs;
  }

  /** Never rejects for what an order or a model does wrong; `onError` sees the error first, and may keep it for ever. */
  async run(target: ExecutableModel | undefined, order: BatchOrder, startedMs: number, onError: (thrown: unknown) => Promise<void>): Promise<BatchResult> {
    const { batchId } = order;
    if (target === undefined) return { batchId, ok: false, code: 'BAD_ORDER', message: `model ${order.modelKey} is not loaded` };
    try {
      const { inputs, copiedBytes } = this.inputs(target, order);
      const readyMs = this.nowMs();
      const outputs = await target.model.run(inputs);
      const inferredMs = this.nowMs();
      const stored = this.store(outputs, order);
      if (typeof stored === 'number') return { batchId, ok: false, code: 'OUTPUT_SPACE', message: `the outputs take ${stored} bytes`, neededBytes: stored };
      const timings = { startedMs, inputMs: readyMs - startedMs, inferMs: inferredMs - readyMs, outputMs: this.nowMs() - inferredMs };
      return { batchId, ok: true, outputs: stored, timings, copiedBytes };
    } catch (thrown) {
      await onError(thrown);
      return failure(batchId, thrown);
    } finally {
      this.scratchUsed = 0;
      if (this.scratch.byteLength > KEPT_SCRATCH_BYTES) this.scratch = new ArrayBuffer(0);
    }
  }

  private inputs({ model, inputAxes }: ExecutableModel, order: BatchOrder): { inputs: EngineTensor[]; copiedBytes: number } {
    if (order.inputs.length !== model.inputs.length) throw new BadOrder(`${order.inputs.length} inputs for a model with ${model.inputs.length}`);
    // Before any view of the scratch is made: growing it later would leave earlier views on the old one.
    this.reserveScratch(order, model.inputs);
    let copiedBytes = 0;
    const inputs = order.inputs.map((input, index): EngineTensor => {
      const { name, datatype } = model.inputs[index]!;
      const axis = inputAxes[index] ?? null;
      const elementBytes = ELEMENT_BYTES[datatype];
      if (axis !== null && input.shape[axis] !== order.paddedRows) throw new BadOrder(`input "${name}" has ${input.shape[axis] ?? 'no'} rows instead of ${order.paddedRows}`);
      // Without a batch axis the whole tensor is one row.
      const layout = axis === null ? { outer: 1, innerBytes: (elementCount(input.shape) ?? 0) * (elementBytes ?? 0) } : rowLayout(input.shape, axis, elementBytes ?? 0);
      const segments = axis === null ? input.segments.map((segment) => ({ ...segment, rowStart: 0, rows: 1, totalRows: 1 })) : input.segments;
      const rows = axis === null ? 1 : order.rows;
      const paddedRows = axis === null ? 1 : order.paddedRows;
      if (!isReadable(segments, elementBytes === null ? null : layout, rows, this.memory.byteLength)) throw new BadOrder(`rows of input "${name}" do not add up`);
      if (elementBytes === null) return { shape: input.shape, data: this.strings({ shape: input.shape, segments }, name, axis, paddedRows) };
      const inPlace = paddedRows === rows ? contiguousRegion(segments, layout) : null;
      if (inPlace !== null && inPlace.offset % elementBytes === 0) return { shape: input.shape, data: elementsOf(datatype, this.memory.view(inPlace)) };
      const bytes = this.takeScratch(layout.outer * paddedRows * layout.innerBytes);
      copiedBytes += gatherRows(segments, layout, paddedRows, bytes, (region) => this.memory.view(region));
      return { shape: input.shape, data: elementsOf(datatype, bytes) };
    });
    return { inputs, copiedBytes };
  }

  private strings({ shape, segments }: BatchInput, name: string, axis: BatchAxis, paddedRows: number): string[] {
    try {
      const view = (region: Region): string[] => decodeStrings(this.memory.view(region));
      const strings = axis === null ? segments.flatMap(view) : gatherStrings(segments, shape, axis, paddedRows, view);
      if (strings.length !== elementCount(shape)) throw new BadOrder(`input "${name}" has ${strings.length} elements`);
      return strings;
    } catch (thrown) {
      if (thrown instanceof ElementError) throw new ElementError(`input "${name}": ${thrown.message}`, { cause: thrown });
      throw thrown;
    }
  }

  /** The outputs' places, or the bytes that they need when order.output is too small. */
  private store(outputs: readonly EngineTensor[], order: BatchOrder): BatchOutput[] | number {
    const sizes = outputs.map(({ data }) => encodedBytes(data));
    const needed = sizes.reduce((end, size) => align(end) + size, 0);
    if (needed > order.output.byteLength) return needed;
    let { offset } = order.output;
    return outputs.map(({ data, shape }, index): BatchOutput => {
      const region = { offset, byteLength: sizes[index]! };
      const staged = this.memory.stage(region);
      encodeElements(data, staged);
      this.memory.publish(region, staged);
      offset += align(region.byteLength);
      return { ...region, shape };
    });
  }

  private reserveScratch(order: BatchOrder, specs: readonly TensorSpec[]): void {
    let needed = 0;
    for (const [index, { shape }] of order.inputs.entries()) needed += align((elementCount(shape) ?? 0) * (ELEMENT_BYTES[specs[index]?.datatype ?? 'BYTES'] ?? 0));
    if (needed > this.scratch.byteLength) this.scratch = new ArrayBuffer(needed);
  }

  private takeScratch(byteLength: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.scratch, this.scratchUsed, byteLength);
    this.scratchUsed += align(byteLength);
    return bytes;
  }
}

function failure(batchId: number, thrown: unknown): BatchResult {
  const message = plainMessage(thrown);
  if (thrown instanceof BadOrder || thrown instanceof RangeError) return { batchId, ok: false, code: 'BAD_ORDER', message };
  return { batchId, ok: false, code: isOutOfMemory(message) ? 'OUT_OF_MEMORY' : 'MODEL_FAILED', message };
}
