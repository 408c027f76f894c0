import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { ADDON_FILE, addon } from './addon.ts';

const FIXTURE = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures/parsing-worker.cjs');

function start(data: { seed: number; rounds?: number; fd?: number }): Worker {
  return new Worker(FIXTURE, { workerData: { file: ADDON_FILE, ...data } });
}

describe.skipIf(addon === null)('worker threads', () => {
  it('works in several threads at once, each with its own mapping', async () => {
    const shared = addon?.shared;
    if (shared === undefined) throw new Error('unreachable: skipped without the addon');
    const { fd, buffer } = shared.create(65536);
    const workers = [0, 1, 2, 3].map((seed) => start({ seed, rounds: 30, fd }));
    expect(await Promise.all(workers.map(async (worker) => (await once(worker, 'exit') as [number])[0]))).toEqual([0, 0, 0, 0]);
    expect(Array.from(new Uint8Array(buffer, 0, 5))).toEqual([1, 1, 1, 1, 0]);
  });

  it('survives being terminated in the middle of its work, again and again', async () => {
    for (let round = 0; round < 8; round += 1) {
      const workers = [0, 1, 2].map((seed) => start({ seed: seed + round }));
      await Promise.all(workers.map((worker) => once(worker, 'message')));
      expect(await Promise.all(workers.map((worker) => worker.terminate()))).toEqual([1, 1, 1]);
    }
    // and this environment still works
    const parser = addon?.raw.parserCreate(8, 100, 1);
    expect(addon?.raw.parserFeed(parser ?? {}, Buffer.from('{}'), 0, null)).toBe(2 * 4);
  });

  it('takes parsers only from where they were made, and nothing else for one', () => {
    if (addon === null) throw new Error('unreachable: skipped without the addon');
    const { raw } = addon;
    expect(() => raw.parserFeed({}, Buffer.from('{}'), 0, null)).toThrow(TypeError);
    expect(() => raw.parserFeed(Object.create(raw.parserCreate(8, 100, 1)) as object, Buffer.from('{}'), 0, null)).toThrow(TypeError);
    for (const wrong of [undefined, null, 1, 'x', new Float32Array(2), new ArrayBuffer(2)]) {
      expect(() => raw.parserFeed(raw.parserCreate(8, 100, 1), wrong as unknown as Uint8Array, 0, null)).toThrow(TypeError);
    }
    expect(() => raw.parserCreate(-1, 1, 1)).toThrow(RangeError);
    expect(() => raw.print(new Uint8Array(4), 13, new Uint8Array(10), 0)).toThrow(RangeError);
  });

  it('never writes behind a target that has been detached', () => {
    if (addon === null) throw new Error('unreachable: skipped without the addon');
    const { raw } = addon;
    const parser = raw.parserCreate(8, 100, 1);
    const body = Buffer.from('{"inputs":[{"data":[1,2,3,4]}]}');
    const packed = raw.parserFeed(parser, body, 0, null);
    raw.parserTarget(parser, 1, [4]);
    const target = new Uint8Array(4);
    structuredClone(target, { transfer: [target.buffer] });
    expect(() => raw.parserFeed(parser, body, Math.floor(packed / 4), target)).toThrow(RangeError);
  });
});
