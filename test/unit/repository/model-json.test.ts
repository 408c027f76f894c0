import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DEFAULT_DESCRIPTION, parseImageInput, parseModelJson } from '../../../src/repository/model-json.ts';

const parse = (json: object): ReturnType<typeof parseModelJson> => parseModelJson(JSON.stringify(json), 'demo');

describe('model.json', () => {
  it('may be empty: every default is filled in', () => {
    expect(parse({})).toEqual(DEFAULT_DESCRIPTION);
    expect(DEFAULT_DESCRIPTION).toMatchObject({ versions: { latest: 1 }, source: null, batchTolerance: 1e-4, policy: { maxBatchSize: null, maxQueueDelayMs: null, preferredBatchSizes: null } });
  });

  it('fills in what it says', () => {
    const described = parse({
      name: 'demo', description: 'd', source: 'npm:@scope/pkg/a/b.onnx', versions: 'all', max_batch_size: 16, max_queue_delay_ms: 2.5,
      preferred_batch_sizes: [8, 4, 8], batch_tolerance: 0.05, concurrency_id: 'big', concurrency_limit: 2, warmup: { x: [3, 4] }, labels: ['a', 'b'],
      image: { input: 'x', width: 4, height: 3 },
    });
    expect(described).toEqual({
      description: 'd', source: { kind: 'npm', packageName: '@scope/pkg', path: 'a/b.onnx' }, sha256: null, versions: 'all',
      policy: { maxBatchSize: 16, maxQueueDelayMs: 2.5, preferredBatchSizes: [4, 8] }, batchTolerance: 0.05, concurrency: { id: 'big', limit: 2 },
      warmupShapes: { x: [3, 4] }, labels: ['a', 'b'], decode: 'classes',
      image: { input: 'x', width: 4, height: 3, layout: 'NCHW', channels: 'rgb', fit: 'stretch', mean: [0, 0, 0], std: [1, 1, 1] },
    });
  });

  it.each([
    [{ max_batchsize: 4 }, 'unknown key "max_batchsize" (did you mean "max_batch_size"?)'],
    [{ image: { input: 'x', width: 1, height: 1, chanels: 'rgb' } }, 'unknown key "image.chanels" (did you mean "channels"?)'],
    [{ max_batch_size: 0 }, 'max_batch_size: Too small'],
    [{ max_batch_size: '8' }, 'max_batch_size: Invalid input: expected number'],
    [{ max_queue_delay_ms: -1 }, 'max_queue_delay_ms: Too small'],
    [{ preferred_batch_sizes: [] }, 'preferred_batch_sizes: Too small'],
    [{ preferred_batch_sizes: [4, 32], max_batch_size: 8 }, 'preferred_batch_sizes has 32, above max_batch_size 8'],
    [{ batch_tolerance: 0 }, 'batch_tolerance: Too small'],
    [{ versions: { latest: 0 } }, 'versions.latest: Too small'],
    [{ versions: 'newest' }, 'versions: must be "all" or {"latest": n}'],
    [{ labels: 3 }, 'labels: must be a list of names'],
    [{ concurrency_limit: 1 }, 'concurrency_limit needs a concurrency_id'],
    [{ concurrency_id: 'cpu' }, 'concurrency_id "cpu" is the device\'s own'],
    [{ concurrency_id: 'gpu:0' }, 'concurrency_id: must be 1 to 64 of'],
    [{ name: 'other' }, 'name is "other", but the folder is "demo"'],
    [{ source: 'ftp://host/file' }, 'source "ftp://host/file" must be npm:'],
    [{ source: 'npm:pkg/../../etc/passwd' }, 'has a path that leaves its package'],
    [{ source: 'https://host/model.onnx' }, 'needs its sha256'],
    [{ source: 'hf:owner/repo@main/model.onnx' }, 'needs its sha256'],
    [{ source: 'file:x', sha256: 'ABC' }, 'sha256: must be 64 lowercase hexadecimal digits'],
    [{ sha256: 'a'.repeat(64) }, 'sha256 needs a source'],
    [{ labels: 'https://host/labels.txt' }, 'labels must be a list, or a file'],
    [{ image: { input: 'x', width: 8, height: 8, max_width: 16 } }, 'image.max_width needs "fit": "line"'],
    [{ image: { input: 'x', width: 8, height: 8, max_width: 4, fit: 'line' } }, 'image.max_width 4 is below image.width 8'],
    [[], 'the root: Invalid input'],
  ])('refuses %j', (json, message) => {
    expect(() => parse(json)).toThrow(message);
  });

  it('says where JSON breaks', () => {
    expect(() => parseModelJson('{"a":', 'demo')).toThrow(/^model\.json is not JSON: /);
  });

  it('reads an image description that came over the wire, and nothing else', () => {
    expect(parseImageInput({ input: 'x', width: 2, height: 2 })).toMatchObject({ fit: 'stretch' });
    expect(parseImageInput('nonsense')).toBeNull();
  });

  const bundled = new URL('../../../models/', import.meta.url);
  it.each(readdirSync(bundled, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name))('of the bundled %s is right', (name) => {
    expect(parseModelJson(readFileSync(new URL(`${name}/model.json`, bundled), 'utf8'), name).description).not.toBeNull();
  });
});
