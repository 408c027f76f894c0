/** Real device hosts for tests: an arena, the devices of a plan, and a listener that can be awaited. */
import { createArena } from '../../src/arena/arena.ts';
import { createMemory } from '../../src/arena/memory.ts';
import type { TensorArena } from '../../src/contracts/arena.ts';
import { systemClock } from '../../src/contracts/clock.ts';
import type { BatchInput, BatchOrder, BatchResult, Device, DeviceListener, DeviceLoss, DeviceState } from '../../src/contracts/device.ts';
import type { ModelSource } from '../../src/contracts/model.ts';
import type { Lease } from '../../src/contracts/tensor.ts';
import { createDevices, planDevices, type DevicePorts, type DeviceSettings } from '../../src/devices/index.ts';
import { Signal } from '../../src/devices/signal.ts';
import { loadNative, type NativeChoice } from '../../src/native/load.ts';

export type BatchEnd = BatchResult | DeviceLoss;

/** Records what devices tell, and lets a test wait for it. */
export class Recorder implements DeviceListener {
  readonly lostModels: string[] = [];
  readonly states: string[] = [];
  readonly started = new Map<number, number>();
  readonly ended = new Map<number, BatchEnd>();
  readonly #changed = new Signal();

  batchStarted(batchId: number, startedMs: number): void {
    this.started.set(batchId, startedMs);
    this.#changed.notify();
  }

  batchDone(result: BatchResult): void {
    this.#end(result);
  }

  batchLost(loss: DeviceLoss): void {
    this.#end(loss);
  }

  stateChanged(device: string, state: DeviceState): void {
    this.states.push(`${device} ${state}`);
    this.#changed.notify();
  }

  modelLost(device: string, model: string, reason: string): void {
    this.lostModels.push(`${device} ${model}: ${reason}`);
    this.#changed.notify();
  }

  until(condition: () => boolean): Promise<void> {
    return this.#changed.until(condition);
  }

  async end(batchId: number): Promise<BatchEnd> {
    await this.until(() => this.ended.has(batchId));
    return this.ended.get(batchId)!;
  }

  #end(end: BatchEnd): void {
    if (this.ended.has(end.batchId)) throw new Error(`batch ${end.batchId} ended twice`);
    this.ended.set(end.batchId, end);
    this.#changed.notify();
  }
}

export interface Harness {
  readonly arena: TensorArena;
  readonly devices: readonly Device[];
  readonly recorder: Recorder;
  readonly logged: string[];
  /** Puts a tensor into the arena. */
  put(data: ArrayBufferView): Lease;
  bytes(region: { offset: number; byteLength: number }): Uint8Array<ArrayBuffer>;
  /** Hands an order of whole tensors (one segment each) to a device; output space is taken for it. Returns its id. */
  run(device: Device, key: string, inputs: readonly { readonly shape: readonly number[]; readonly data: ArrayBufferView; readonly rows?: number }[], options?: Partial<BatchOrder> & { budgetMs?: number }): number;
  close(): Promise<void>;
}

export interface HarnessOptions extends Partial<DeviceSettings> {
  readonly native?: NativeChoice;
  readonly arenaBytes?: number;
  readonly ports?: Partial<Omit<DevicePorts, 'native'>>;
}

/** By default one CPU device with two workers. */
export function startDevices({ native: choice = 'addon', arenaBytes = 64 * 1024 * 1024, ports = {}, ...settings }: HarnessOptions = {}): Harness {
  const { module: native } = loadNative(choice);
  const memory = createMemory(native, arenaBytes);
  const arena = createArena(memory);
  const recorder = new Recorder();
  const logged: string[] = [];
  const log = (fields: object, message: string): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const plan = planDevices({ gpuCount: 0, gpuDevices: null, gpuProvider: 'cuda', gpuConcurrency: 1, cpuWorkers: 2, ...settings }, { found: false, reason: 'no driver' }, null, 2);
  const devices = createDevices(plan, {
    arena, native, clock: systemClock, listener: recorder, log: { debug: log, info: log, warn: log, error: log },
    environment: { PATH: process.env['PATH'] ?? '' }, libraryPath: [], ...ports,
  });
  let lastBatch = 0;
  const put = (data: ArrayBufferView): Lease => {
    const lease = arena.reserve(data.byteLength);
    if (lease === null) throw new Error('the arena of this test is full');
    const staged = memory.stage(lease.region);
    staged.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    memory.publish(lease.region, staged);
    return lease;
  };
  return {
    arena, devices, recorder, logged, put,
    bytes: (region) => memory.view(region),
    run(device, key, inputs, { budgetMs = 30_000, ...more } = {}) {
      const batchId = (lastBatch += 1);
      const rows = more.rows ?? inputs[0]?.rows ?? 1;
      const placed = inputs.map(({ shape, data, rows: inputRows = rows }): BatchInput => {
        const { region } = put(data);
        return { shape, segments: [{ ...region, rowStart: 0, rows: inputRows, totalRows: inputRows, generation: arena.generation(region) }] };
      });
      device.run({ batchId, modelKey: key, inputs: placed, rows, paddedRows: rows, output: arena.reserve(4096)!.region, ...more }, budgetMs);
      return batchId;
    },
    async close() {
      await Promise.all(devices.map((device) => device.close()));
      memory.close();
    },
  };
}

/** A source with what tests need least of: no warm-up beyond one run. */
export function sourceOf(key: string, path: string, more: Partial<ModelSource> = {}): ModelSource {
  const [name = '', version = ''] = key.split('/');
  return { key, name, version, path, warmupShapes: {}, batchTolerance: 1e-4, warmupBudgetMs: 0, ...more };
}
