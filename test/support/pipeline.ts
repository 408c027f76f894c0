/** Everything around a dispatcher that a test needs: models, jobs with recognisable bytes, replies that remember, an observer. */
import { batcher } from '../../src/batching/index.ts';
import type { BatchAxis, BatchingPolicy, CostSample, LoadReport, ModelConcurrency, ServingModel } from '../../src/contracts/model.ts';
import type { Job, JobResult } from '../../src/contracts/job.ts';
import type { Observer } from '../../src/contracts/stages.ts';
import { ELEMENT_BYTES, elementCount, type Datatype, type Lease, type Tensor } from '../../src/contracts/tensor.ts';
import type { SluiceError } from '../../src/errors.ts';
import { Dispatcher, type DispatcherOptions } from '../../src/scheduler/dispatcher.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeDevice, type FakeDeviceOptions } from './fake-device.ts';
import { TestArena } from './test-arena.ts';

export interface ModelOptions {
  readonly name?: string;
  /** Shapes as declared, with -1 on the batch axis. */
  readonly tensors?: readonly { readonly shape: readonly number[]; readonly axis: BatchAxis; readonly datatype?: Datatype }[];
  readonly batchable?: boolean;
  readonly dynamicShapes?: boolean;
  readonly policy?: Partial<BatchingPolicy>;
  readonly concurrency?: ModelConcurrency | null;
}

/** A model whose outputs are its inputs. By default one FP32 tensor [-1, 4]. */
export function servingModel(options: ModelOptions = {}): ServingModel {
  const { name = 'identity', tensors = [{ shape: [-1, 4], axis: 0 }], batchable = true } = options;
  const specs = tensors.map(({ shape, datatype = 'FP32' }, i) => ({ name: `tensor${i}`, datatype, shape }));
  const axes = tensors.map(({ axis }) => (batchable ? axis : null));
  return {
    key: `${name}/1`, name, version: '1', inputs: specs, outputs: specs,
    batching: { batchable, reason: 'made by a test', inputAxes: axes, outputAxes: axes },
    policy: { maxBatchSize: null, maxQueueDelayMs: null, preferredBatchSizes: null, ...options.policy },
    concurrency: options.concurrency ?? null, dynamicShapes: options.dynamicShapes ?? false,
  };
}

/** Costs in milliseconds by rows. */
export function loadReport(model: ServingModel, costs: Readonly<Record<number, number>>, rest: Partial<LoadReport> = {}): LoadReport {
  const samples: CostSample[] = Object.entries(costs).map(([rows, ms]) => ({ rows: Number(rows), medianMs: ms, p95Ms: ms }));
  return { inputs: model.inputs, outputs: model.outputs, batching: model.batching, costs: samples, outputBytesPerRow: 64, inputElementsPerRow: 4, loadMs: 1, ...rest };
}

/** Linear in rows: batching neither pays nor harms. */
export const FLAT_COSTS = { 1: 1, 2: 2, 4: 4, 8: 8 };
/** What GPUs do: a batch of 8 takes hardly longer than one row. */
export const STEEP_COSTS = { 1: 4, 2: 4.2, 4: 4.6, 8: 5.4 };

export interface Outcome {
  readonly id: string;
  readonly expected: readonly Uint8Array[];
  readonly shapes: readonly (readonly number[])[];
  readonly started: { readonly device: string; readonly batchRows: number; readonly queueMs: number }[];
  /** What `succeeded` handed over, with data copied while it was valid. */
  result: JobResult | null;
  error: SluiceError | null;
  /** Calls of succeeded and failed: must become 1. */
  ends: number;
}

export class Rig {
  readonly clock = new FakeClock(1_000);
  readonly arena: TestArena;
  readonly devices: readonly FakeDevice[];
  readonly dispatcher: Dispatcher;
  readonly models = new Map<string, ServingModel>();
  readonly outcomes: Outcome[] = [];
  /** Events in the order in which the observer was told. */
  readonly events: { readonly kind: keyof Observer; readonly event: Record<string, unknown> }[] = [];
  readonly #deferred: (() => void)[] = [];
  #nextId = 0;

  constructor(devices: readonly Omit<FakeDeviceOptions, 'arena' | 'clock' | 'modelOf'>[], options: Partial<DispatcherOptions> & { readonly arenaBytes?: number } = {}) {
    this.arena = new TestArena(options.arenaBytes ?? 1 << 22);
    const { arena, clock } = this;
    this.devices = devices.map((device) => new FakeDevice({ ...device, arena, clock, modelOf: (key) => this.models.get(key)! }));
    const note = (kind: keyof Observer) => (event: object): void => {
      this.events.push({ kind, event: event as Record<string, unknown> });
    };
    const observer: Observer = {
      jobSucceeded: note('jobSucceeded'), jobFailed: note('jobFailed'), batchDone: note('batchDone'), batchLost: note('batchLost'), refused: note('refused'), fallback: note('fallback'),
    };
    this.dispatcher = new Dispatcher({
      clock, arena, observer, batcher, devices: this.devices, limits: { maxQueuedPerModel: 1_000_000, maxQueuedTotal: 1_000_000 },
      defer: (run) => void this.#deferred.push(run), ...options,
    });
    for (const device of this.devices) device.listener = this.dispatcher;
  }

  /** Adds the model on the devices that have costs. */
  serve(model: ServingModel, costsByDevice: Readonly<Record<string, Readonly<Record<number, number>>>>, rest: Partial<LoadReport> = {}): ServingModel {
    this.models.set(model.key, model);
    this.dispatcher.addModel(model, new Map(Object.entries(costsByDevice).map(([id, costs]) => [id, loadReport(model, costs, rest)])));
    return model;
  }

  /** Submits a job with bytes of its own. `shapes`: by default the model's, with `rows` on each batch axis. */
  submit(model: ServingModel, rows = 1, options: { readonly id?: string; readonly priority?: number; readonly caller?: string; readonly timeoutMs?: number; readonly shapes?: readonly (readonly number[])[]; readonly fill?: (bytes: Uint8Array, input: number) => void } = {}): Outcome {
    const id = options.id ?? `job${this.#nextId++}`;
    const leases: Lease[] = [];
    const shapes = options.shapes ?? model.inputs.map(({ shape }, i) => shape.map((dimension, axis) => (axis === model.batching.inputAxes[i] ? rows : Math.abs(dimension))));
    const inputs = shapes.map((shape, i): Tensor => {
      const { name, datatype } = model.inputs[i]!;
      const byteLength = elementCount(shape)! * ELEMENT_BYTES[datatype]!;
      const lease = this.arena.reserveInLane(`${model.key}:${i}`, byteLength);
      if (lease === null) throw new Error('the test arena is full');
      leases.push(lease);
      const bytes = this.arena.memory.view(lease.region);
      const seed = this.outcomes.length * 31 + i * 7;
      if (options.fill !== undefined) options.fill(bytes, i);
      else for (let at = 0; at < bytes.byteLength; at++) bytes[at] = (seed + at * 13 + (at >> 8)) & 0xff;
      return { name, datatype, shape, region: lease.region };
    });
    const outcome: Outcome = { id, shapes, expected: inputs.map(({ region }) => this.arena.memory.view(region).slice()), started: [], result: null, error: null, ends: 0 };
    this.outcomes.push(outcome);
    const job: Job = {
      id, model, inputs, leases, priority: options.priority ?? 1, caller: options.caller ?? 'test', enqueuedMs: this.clock.nowMs(),
      deadlineMs: options.timeoutMs === undefined ? Infinity : this.clock.nowMs() + options.timeoutMs,
      reply: {
        started: (info) => void outcome.started.push(info),
        succeeded: (result) => {
          outcome.ends++;
          outcome.result = { ...result, outputs: result.outputs.map((output) => ({ ...output, data: output.data.slice() })) };
        },
        failed: (error) => {
          outcome.ends++;
          outcome.error = error;
        },
      },
    };
    this.dispatcher.submit(job);
    return outcome;
  }

  /** Runs what was put off to the end of this turn of the event loop. */
  turn(): void {
    for (const run of this.#deferred.splice(0)) run();
  }

  /** Finishes everything, on all devices, until nothing runs. */
  drain(): void {
    for (let left = 100_000; left > 0; left--) {
      this.turn();
      const device = this.devices.find(({ runningCount }) => runningCount > 0);
      if (device === undefined) return;
      device.finish();
    }
    throw new Error('the pipeline never came to rest');
  }

  /** Rows of the batches that a device was given, in order. */
  rowsRun(device = 0): readonly number[] {
    return this.devices[device]!.orders.map(({ rows }) => rows);
  }
}

/** True when the job was answered with its own input, row for row. */
export function echoes(outcome: Outcome): boolean {
  const { result, expected, shapes } = outcome;
  if (result === null || outcome.ends !== 1) return false;
  return result.outputs.every(({ data, shape }, i) => Buffer.from(data).equals(expected[i]!) && shape.join() === shapes[i]!.join());
}
