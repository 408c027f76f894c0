/**
 * What a request costs in the pipeline: enqueue, decide, assemble, scatter and settle, with a device that answers at once.
 * Run: node --experimental-strip-types bench/micro/scheduler.ts   (or compiled). Prints microseconds of CPU per request.
 */
import { batcher } from '../../src/batching/index.ts';
import { createArena } from '../../src/arena/arena.ts';
import type { TensorArena, TensorMemory } from '../../src/contracts/arena.ts';
import { systemClock } from '../../src/contracts/clock.ts';
import type { BatchOrder, Device, BatchListener } from '../../src/contracts/device.ts';
import type { Job, Reply } from '../../src/contracts/job.ts';
import type { LoadReport, ServingModel } from '../../src/contracts/model.ts';
import type { Observer } from '../../src/contracts/stages.ts';
import type { Lease, Region } from '../../src/contracts/tensor.ts';
import { SluiceError } from '../../src/errors.ts';
import { Dispatcher } from '../../src/scheduler/dispatcher.ts';

const ROW_BYTES = 16;
const NONE: readonly Lease[] = [];

function model(name: string): ServingModel {
  const tensor = { name: 'x', datatype: 'FP32', shape: [-1, 4] } as const;
  return {
    key: `${name}/1`, name, version: '1', inputs: [tensor], outputs: [tensor],
    batching: { batchable: true, reason: '', inputAxes: [0], outputAxes: [0] },
    policy: { maxBatchSize: null, maxQueueDelayMs: null, preferredBatchSizes: null }, concurrency: null, dynamicShapes: false,
  };
}

function report(of: ServingModel): LoadReport {
  const costs = [1, 2, 4, 8].map((rows) => ({ rows, medianMs: 0.2 + 0.8 * rows, p95Ms: 1 + rows }));
  return { inputs: of.inputs, outputs: of.outputs, batching: of.batching, costs, outputBytesPerRow: ROW_BYTES, inputElementsPerRow: 4, loadMs: 0 };
}

function heapArena(byteLength: number): TensorArena {
  const bytes = new Uint8Array(new ArrayBuffer(byteLength));
  const view = ({ offset, byteLength: length }: Region): Uint8Array<ArrayBuffer> => bytes.subarray(offset, offset + length);
  const memory: TensorMemory = { kind: 'mapped', byteLength, fd: -1, view, stage: view, publish: () => undefined, close: () => undefined };
  return createArena(memory);
}

/** Holds what it is given until `answer` is called. */
class InstantDevice implements Partial<Device> {
  readonly kind = 'cpu';
  readonly slots = 2;
  readonly prefetch = 2;
  readonly id: string;
  readonly held: BatchOrder[] = [];
  listener: BatchListener | null = null;

  constructor(id: string) {
    this.id = id;
  }

  status(): ReturnType<Device['status']> {
    return { id: this.id, kind: 'cpu', provider: 'none', state: 'READY', slots: 2, pid: null, restarts: 0, lastError: null, gpu: null, fallbacks: [] };
  }

  run(order: BatchOrder): void {
    this.held.push(order);
  }

  answer(): number {
    const order = this.held.shift();
    if (order === undefined) return 0;
    const startedMs = systemClock.nowMs();
    this.listener!.batchStarted(order.batchId, startedMs);
    this.listener!.batchDone({
      batchId: order.batchId, ok: true, copiedBytes: 0, timings: { startedMs, inputMs: 0, inferMs: 0.2 + 0.8 * order.rows, outputMs: 0 },
      outputs: [{ offset: order.output.offset, byteLength: order.paddedRows * ROW_BYTES, shape: [order.paddedRows, 4] }],
    });
    return order.rows;
  }
}

const silent = (): void => undefined;
const observer: Observer = { jobSucceeded: silent, jobFailed: silent, batchDone: silent, batchLost: silent, refused: silent, fallback: silent };
const reply: Reply = { started: silent, succeeded: silent, failed: silent };

/** Requests through the pipeline with `backlog` of them always waiting, over so many devices, models and callers. Returns µs each. */
function measure(backlog: number, deviceCount: number, modelCount: number, callerCount: number, requests: number): { readonly requestUs: number; readonly cancelUs: number; readonly rowsPerBatch: number } {
  const arena = heapArena(1 << 24);
  const devices = Array.from({ length: deviceCount }, (_, i) => new InstantDevice(deviceCount === 1 ? 'cpu' : `cpu${i}`));
  let deferred: (() => void)[] = [];
  const dispatcher = new Dispatcher({
    clock: systemClock, arena, devices: devices as unknown as Device[], observer, batcher, limits: { maxQueuedPerModel: Infinity, maxQueuedTotal: Infinity },
    defer: (run) => void deferred.push(run),
  });
  for (const device of devices) device.listener = dispatcher;
  const models = Array.from({ length: modelCount }, (_, i) => model(`m${i}`));
  for (const served of models) dispatcher.addModel(served, new Map(devices.map(({ id }) => [id, report(served)])));
  const input = arena.reserve(ROW_BYTES)!;
  let next = 0;
  const submit = (): void => {
    const nowMs = systemClock.nowMs();
    const served = models[next % modelCount]!;
    const job: Job = {
      id: String(next++), model: served, inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], region: input.region }], leases: NONE,
      priority: 1, deadlineMs: nowMs + 1e7, caller: String(next % callerCount), enqueuedMs: nowMs, reply,
    };
    dispatcher.submit(job);
  };
  const turn = (): void => {
    const due = deferred;
    deferred = [];
    for (const run of due) run();
  };
  for (let i = 0; i < backlog; i++) submit();
  turn();
  let done = 0;
  let batches = 0;
  let at = 0;
  const step = (): void => {
    const rows = devices[at++ % deviceCount]!.answer();
    if (rows > 0) batches++;
    done += rows;
    for (let i = 0; i < rows; i++) submit();
    turn();
  };
  for (let i = 0; i < 3_000; i++) step();
  done = 0;
  batches = 0;
  const startedUs = process.cpuUsage();
  while (done < requests) step();
  const used = process.cpuUsage(startedUs);
  const requestUs = (used.user + used.system) / done;
  const rowsPerBatch = done / batches;
  const first = Math.max(0, next - backlog + 100);
  const cancels = Math.min(20_000, Math.floor(backlog / 2));
  const before = process.cpuUsage();
  for (let i = 0; i < cancels; i++) dispatcher.cancel(String(first + Math.floor((i * 7919) % (backlog - 100))));
  const cancelled = process.cpuUsage(before);
  dispatcher.destroy(new SluiceError('STOPPING', 'the measurement is over'));
  return { requestUs, cancelUs: cancels === 0 ? 0 : (cancelled.user + cancelled.system) / cancels, rowsPerBatch };
}

const CASES = [
  [1, 1, 1, 10], [1, 1, 1, 1_000], [1, 1, 1, 10_000], [1, 1, 1, 1_000_000], [1, 1, 100, 10_000], [1, 1, 10_000, 10_000], [1, 1, 10_000, 1_000_000],
  [8, 1, 1, 10_000], [64, 1, 1, 10_000], [1, 500, 1, 10_000], [64, 500, 1_000, 100_000],
] as const;

console.log('devices  models  callers    queued   µs/request  rows/batch   µs/cancel');
for (const [devices, models, callers, backlog] of CASES) {
  const { requestUs, cancelUs, rowsPerBatch } = measure(backlog, devices, models, callers, 200_000);
  console.log([[devices, 7], [models, 7], [callers, 8], [backlog, 9], [requestUs.toFixed(2), 12], [rowsPerBatch.toFixed(1), 11], [cancelUs.toFixed(2), 11]].map(([value, width]) => String(value).padStart(Number(width))).join(' '));
}
