/** Sluice in a cell: its own gate, dispatcher, scheduler and batcher, on devices that only take time. */
import { createGate } from '../../src/admission/gate.ts';
import { DEFAULT_LIMITS } from '../../src/admission/policy.ts';
import { batcher } from '../../src/batching/index.ts';
import type { TensorArena } from '../../src/contracts/arena.ts';
import type { BatchOrder, Device, DeviceState, DeviceStatus } from '../../src/contracts/device.ts';
import type { LoadReport, ServingModel } from '../../src/contracts/model.ts';
import type { Observer } from '../../src/contracts/stages.ts';
import { SluiceError } from '../../src/errors.ts';
import { Dispatcher } from '../../src/scheduler/dispatcher.ts';
import { createRandom } from '../inputs/random.ts';
import { createNoise, curveMs, trueMs, type Cell, type SimDeviceSpec, type SimModel } from './cell.ts';
import { SimClock } from './clock.ts';
import { Ledger, type Score } from './ledger.ts';

/** Elements of a row of length 1. */
const ROW_ELEMENTS = 64;
const NOTHING = (): void => undefined;
const OBSERVER: Observer = { jobSucceeded: NOTHING, jobFailed: NOTHING, batchDone: NOTHING, batchLost: NOTHING, refused: NOTHING, fallback: NOTHING };

export function runSluice(cell: Cell, observer: Observer = OBSERVER): Score {
  const clock = new SimClock();
  const ledger = new Ledger(cell);
  const noise = createNoise(createRandom(cell.seed));
  const models = cell.models.map(servingModel);
  const arena = createArena();
  const devices = cell.devices.map((spec) => new SimDevice(spec, cell, clock, ledger, noise));
  const dispatcher = new Dispatcher({
    clock, arena, devices, batcher,
    observer: { ...observer, jobSucceeded: (event) => { ledger.predicted(event.predictedQueueMs, event.timings.queueMs); } },
    limits: { maxQueuedPerModel: 1_000_000, maxQueuedTotal: 1_000_000 },
    defer: (run) => void clock.after(0, run),
  });
  for (const device of devices) device.listener = dispatcher;
  cell.models.forEach((model, index) => {
    dispatcher.addModel(models[index]!, new Map(cell.devices.map(({ id }) => [id, loadReport(model, models[index]!)])));
  });
  const gate = createGate({
    clock, limits: { ...DEFAULT_LIMITS, maxRequestsPerModel: 1_000_000, maxRequests: 1_000_000 },
    backlog: (key, caller) => dispatcher.backlog(key, caller), arenaUsage: () => arena.usage(), stopping: () => false, loopActiveMs: () => 0, random: () => 0.5,
  });

  for (const { device, fromMs, toMs } of cell.outages) {
    clock.at(fromMs, () => { devices[device]!.leave(); });
    clock.at(toMs, () => { devices[device]!.come(); });
  }
  const arrive = (index: number): void => {
    const arrival = cell.arrivals[index];
    if (arrival === undefined) return;
    clock.at(arrival.atMs, () => {
      submit(index);
      arrive(index + 1);
    });
  };
  const submit = (index: number): void => {
    const { model: modelIndex, deadlineMs, caller, length } = cell.arrivals[index]!;
    const model = models[modelIndex]!;
    const enqueuedMs = clock.nowMs();
    let ticket: { release(): void };
    try {
      ticket = gate.admit({ model, contentLength: 256, caller, deadlineMs });
    } catch (error) {
      if (error instanceof SluiceError) return;
      throw error;
    }
    const elements = Math.round(ROW_ELEMENTS * length);
    dispatcher.submit({
      id: String(index), model, priority: 1, deadlineMs, caller, enqueuedMs, leases: [],
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, elements], region: { offset: 0, byteLength: 4 * elements } }],
      reply: {
        started: NOTHING,
        succeeded: () => {
          ticket.release();
          ledger.answered(index, clock.nowMs());
        },
        failed: () => { ticket.release(); },
      },
    });
  };
  arrive(0);
  clock.run(Infinity);
  return ledger.score();
}

function servingModel({ name, dynamic }: SimModel): ServingModel {
  const axes = [0];
  return {
    key: `${name}/1`, name, version: '1',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, dynamic ? -1 : ROW_ELEMENTS] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
    batching: { batchable: true, reason: 'simulated', inputAxes: axes, outputAxes: axes },
    policy: { maxBatchSize: null, maxQueueDelayMs: null, preferredBatchSizes: null },
    concurrency: null, dynamicShapes: dynamic,
  };
}

/** As the warm-up measures it: sizes that are powers of two. */
function loadReport({ curve }: SimModel, { inputs, outputs, batching }: ServingModel): LoadReport {
  const costs = [1, 2, 4, 8, 16, 32].map((rows) => ({ rows, medianMs: curveMs(curve, rows), p95Ms: curveMs(curve, rows) }));
  return { inputs, outputs, batching, costs, outputBytesPerRow: 4, inputElementsPerRow: ROW_ELEMENTS, loadMs: 1 };
}

/** Nothing is stored: every place is the same. */
function createArena(): TensorArena {
  const bytes = new Uint8Array(1 << 20);
  const view = ({ offset, byteLength }: { readonly offset: number; readonly byteLength: number }): Uint8Array<ArrayBuffer> => bytes.subarray(offset, offset + byteLength);
  const reserve = (byteLength: number): { region: { offset: number; byteLength: number }; release: () => void } => ({ region: { offset: 0, byteLength }, release: NOTHING });
  return {
    memory: { kind: 'mapped', byteLength: bytes.length, fd: -1, view, stage: view, publish: NOTHING, close: NOTHING },
    reserve,
    reserveInLane: (_lane, byteLength) => reserve(byteLength),
    usage: () => ({ totalBytes: bytes.length, usedBytes: 0, leases: 0 }),
    generation: () => 0,
  };
}

interface Run {
  readonly order: BatchOrder;
  lost: boolean;
}

class SimDevice implements Device {
  readonly id: string;
  readonly kind: 'cpu' | 'gpu';
  readonly slots: number;
  readonly prefetch: number;
  listener: Dispatcher | null = null;
  readonly #cell: Cell;
  readonly #clock: SimClock;
  readonly #ledger: Ledger;
  readonly #noise: () => number;
  readonly #waiting: BatchOrder[] = [];
  readonly #running = new Set<Run>();
  #state: DeviceState = 'READY';

  constructor(spec: SimDeviceSpec, cell: Cell, clock: SimClock, ledger: Ledger, noise: () => number) {
    this.id = spec.id;
    this.kind = cell.models[0]!.curve.kind;
    this.slots = spec.slots;
    this.prefetch = spec.slots;
    this.#cell = cell;
    this.#clock = clock;
    this.#ledger = ledger;
    this.#noise = noise;
  }

  run(order: BatchOrder): void {
    this.#waiting.push(order);
    // A host tells of it later, never inside the call.
    this.#clock.after(0, () => { this.#start(); });
  }

  leave(): void {
    this.#state = 'RESTARTING';
    const orders = [...[...this.#running].map(({ order }) => order), ...this.#waiting.splice(0)];
    for (const run of this.#running) run.lost = true;
    this.#running.clear();
    this.listener?.stateChanged(this.id, this.#state);
    for (const { batchId } of orders) this.listener?.batchLost({ batchId, reason: 'the device left' });
  }

  come(): void {
    this.#state = 'READY';
    this.listener?.stateChanged(this.id, this.#state);
  }

  status(): DeviceStatus {
    return { id: this.id, kind: this.kind, provider: 'simulated', state: this.#state, slots: this.slots, pid: null, restarts: 0, lastError: null, gpu: null, fallbacks: [] };
  }

  load(): Promise<LoadReport> {
    return Promise.reject(new Error('a simulated device loads nothing'));
  }

  unload(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  destroy(): void {
    this.leave();
  }

  #start(): void {
    while (this.#running.size < this.slots && this.#waiting.length > 0) {
      const run: Run = { order: this.#waiting.shift()!, lost: false };
      const { order } = run;
      this.#running.add(run);
      const startedMs = this.#clock.nowMs();
      const model = this.#cell.models.find(({ name }) => order.modelKey === `${name}/1`)!;
      const tookMs = trueMs(this.#cell, model, order.paddedRows, order.inputs[0]!.shape[1]! / ROW_ELEMENTS, startedMs, this.#noise);
      this.listener?.batchStarted(order.batchId, startedMs);
      this.#clock.after(tookMs, () => { this.#finish(run, startedMs, tookMs); });
    }
  }

  #finish(run: Run, startedMs: number, tookMs: number): void {
    if (run.lost) return;
    const { batchId, output, paddedRows } = run.order;
    this.#running.delete(run);
    this.#ledger.ran(startedMs, tookMs);
    this.#start();
    this.listener?.batchDone({
      batchId, ok: true, copiedBytes: 0, timings: { startedMs, inputMs: 0, inferMs: tookMs, outputMs: 0 },
      outputs: [{ offset: output.offset, byteLength: 4 * paddedRows, shape: [paddedRows, 1] }],
    });
  }
}
