/**
 * A device in this process that computes identity: it gathers rows from memory as an order says, when the batch ends, pads
 * them by repeating the last, and writes them as outputs. Rows that are mixed up, freed early or padded wrongly are seen.
 */
import type { TensorArena } from '../../src/contracts/arena.ts';
import type { Clock } from '../../src/contracts/clock.ts';
import type { BatchInput, BatchOrder, BatchOutput, BatchResult, Device, DeviceId, BatchListener, DeviceState, DeviceStatus } from '../../src/contracts/device.ts';
import type { LoadReport, ModelKey, ServingModel } from '../../src/contracts/model.ts';
import { ELEMENT_BYTES, elementCount } from '../../src/contracts/tensor.ts';

export interface FakeDeviceOptions {
  readonly id: DeviceId;
  readonly kind?: 'cpu' | 'gpu';
  readonly slots?: number;
  readonly prefetch?: number;
  readonly arena: TensorArena;
  readonly clock: Clock;
  readonly modelOf: (key: ModelKey) => ServingModel;
  /** How long a batch takes; without it, batches end only when the test says so. */
  readonly costMs?: (order: BatchOrder) => number;
  /** What it says that a batch took, where the test ends batches; without it, the time that passed. */
  readonly reportedMs?: (order: BatchOrder) => number;
}

interface Held {
  readonly order: BatchOrder;
  readonly budgetMs: number;
  startedMs: number;
}

const ALIGNMENT = 64;

export class FakeDevice implements Device {
  readonly id: DeviceId;
  readonly kind: 'cpu' | 'gpu';
  readonly slots: number;
  readonly prefetch: number;
  /** Everything that was ever run. */
  readonly orders: BatchOrder[] = [];
  readonly budgetsMs: number[] = [];
  listener: BatchListener | null = null;
  /** Answers instead of identity, e.g. a failure; null to compute. */
  respond: ((order: BatchOrder) => BatchResult | null) | null = null;
  #state: DeviceState = 'READY';
  readonly #running: Held[] = [];
  readonly #waiting: Held[] = [];
  readonly #options: FakeDeviceOptions;

  constructor(options: FakeDeviceOptions) {
    this.#options = options;
    this.id = options.id;
    this.kind = options.kind ?? 'cpu';
    this.slots = options.slots ?? 1;
    this.prefetch = options.prefetch ?? 0;
  }

  /** Orders that it holds, running first. */
  get inFlight(): readonly BatchOrder[] {
    return [...this.#running, ...this.#waiting].map(({ order }) => order);
  }

  get runningCount(): number {
    return this.#running.length;
  }

  run(order: BatchOrder, budgetMs: number): void {
    if (this.#state !== 'READY') throw new Error(`${this.id} is ${this.#state}`);
    if (this.inFlight.length >= this.slots + this.prefetch) throw new Error(`${this.id} has no room for another batch`);
    this.orders.push(order);
    this.budgetsMs.push(budgetMs);
    this.#waiting.push({ order, budgetMs, startedMs: NaN });
    this.#startWaiting();
  }

  /** Ends a running batch (the first by default) with what it computes. */
  finish(batchId = this.#running[0]?.order.batchId): void {
    const index = this.#running.findIndex(({ order }) => order.batchId === batchId);
    const [held] = index === -1 ? [] : this.#running.splice(index, 1);
    if (held === undefined) return;
    const result = this.respond?.(held.order) ?? this.#compute(held);
    this.#startWaiting();
    this.listener?.batchDone(result);
  }

  /** Dies with all that it holds. `state`: what it is afterwards. */
  die(state: DeviceState = 'RESTARTING', reason = 'killed by the test'): void {
    const lost = [...this.#running.splice(0), ...this.#waiting.splice(0)];
    this.setState(state);
    for (const { order } of lost) this.listener?.batchLost({ batchId: order.batchId, reason });
  }

  setState(state: DeviceState): void {
    this.#state = state;
    this.listener?.stateChanged(this.id, state);
  }

  status(): DeviceStatus {
    return { id: this.id, kind: this.kind, provider: 'fake', state: this.#state, slots: this.slots, pid: null, restarts: 0, lastError: null, gpu: null, fallbacks: [] };
  }

  load(): Promise<LoadReport> {
    return Promise.reject(new Error('a fake device loads nothing'));
  }

  unload(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  destroy(): void {
    this.die('STOPPED');
  }

  #startWaiting(): void {
    while (this.#running.length < this.slots && this.#waiting.length > 0) {
      const held = this.#waiting.shift()!;
      const { clock, costMs } = this.#options;
      held.startedMs = clock.nowMs();
      this.#running.push(held);
      this.listener?.batchStarted(held.order.batchId, held.startedMs);
      if (costMs !== undefined) clock.after(costMs(held.order), () => {
        this.finish(held.order.batchId);
      });
    }
  }

  #compute({ order, startedMs }: Held): BatchResult {
    const { arena, clock, modelOf, costMs, reportedMs = costMs } = this.#options;
    const { batching, inputs, outputs: specs } = modelOf(order.modelKey);
    const outputs: BatchOutput[] = [];
    const payloads: Uint8Array[] = [];
    let end = order.output.offset;
    for (let i = 0; i < specs.length; i++) {
      const input = order.inputs[i]!;
      const size = ELEMENT_BYTES[inputs[i]!.datatype]!;
      const data = gather(input, batching.inputAxes[i] ?? null, size, order, arena);
      if (data.byteLength !== elementCount(input.shape)! * size) throw new Error(`input ${i} of batch ${order.batchId} does not fill its shape`);
      const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
      outputs.push({ offset, byteLength: data.byteLength, shape: input.shape });
      payloads.push(data);
      end = offset + data.byteLength;
    }
    const neededBytes = end - order.output.offset;
    if (neededBytes > order.output.byteLength) return { batchId: order.batchId, ok: false, code: 'OUTPUT_SPACE', message: 'outputs do not fit', neededBytes };
    outputs.forEach((output, i) => {
      arena.memory.view(output).set(payloads[i]!);
    });
    const inferMs = reportedMs?.(order) ?? clock.nowMs() - startedMs;
    return { batchId: order.batchId, ok: true, outputs, timings: { startedMs, inputMs: 0, inferMs, outputMs: 0 }, copiedBytes: 0 };
  }
}

function gather(input: BatchInput, axis: number | null, size: number, order: BatchOrder, arena: TensorArena): Uint8Array {
  for (const segment of input.segments) {
    if (arena.generation(segment) !== segment.generation) throw new Error(`batch ${order.batchId} reads a slab that was reused`);
  }
  if (axis === null) return arena.memory.view(input.segments[0]!).slice();
  let outer = 1;
  let inner = size;
  input.shape.forEach((dimension, i) => {
    if (i < axis) outer *= dimension;
    else if (i > axis) inner *= dimension;
  });
  const out = new Uint8Array(outer * order.paddedRows * inner);
  let row = 0;
  for (const { offset, byteLength, rowStart, rows, totalRows } of input.segments) {
    const data = arena.memory.view({ offset, byteLength });
    if (byteLength !== outer * totalRows * inner) throw new Error(`a segment of batch ${order.batchId} has ${byteLength} bytes instead of ${outer * totalRows * inner}`);
    for (let o = 0; o < outer; o++) {
      out.set(data.subarray((o * totalRows + rowStart) * inner, (o * totalRows + rowStart + rows) * inner), (o * order.paddedRows + row) * inner);
    }
    row += rows;
  }
  if (row !== order.rows) throw new Error(`segments of batch ${order.batchId} hold ${row} rows instead of ${order.rows}`);
  for (; row < order.paddedRows; row++) {
    for (let o = 0; o < outer; o++) {
      const last = (o * order.paddedRows + row - 1) * inner;
      out.copyWithin(last + inner, last, last + inner);
    }
  }
  return out;
}
