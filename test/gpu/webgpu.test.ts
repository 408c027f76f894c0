/**
 * The GPU path without a GPU: two GPU hosts with ONNX Runtime's WebGPU provider on SwiftShader, the software GPU of Debian's
 * chromium. It needs the packages chromium and libvulkan1.
 * The bundled models would take minutes there: text detection does not load within 120 s.
 */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answerOf, devicesOf, expectClose, rowsDoneBy } from '../support/gpu-server.ts';
import { makeModelFolder } from '../support/model-folder.ts';
import { isAlive, startServer, waitUntil, type RunningServer } from '../support/server.ts';
import { smallCnn, SMALL_CNN_ROW } from './small-cnn.ts';

const driver = '/usr/lib/chromium/vk_swiftshader_icd.json';
const missing = existsSync(driver) ? null : `no software GPU: ${driver} is not there (Debian packages chromium and libvulkan1)`;
/** Sums in another order, in float32. */
const TOLERANCE_DIGITS = 4;

describe('two GPU hosts', () => {
  const models = makeModelFolder();
  let gpus: RunningServer;
  let cpu: RunningServer;

  beforeAll(async () => {
    models.add('small-cnn', smallCnn());
    if (missing !== null) return;
    const env = { MODELS_DIR: models.path, WARMUP_BUDGET_MS: '100' };
    cpu = await startServer({ env: { ...env, GPU_COUNT: '0', CPU_WORKERS: '1' } });
    gpus = await startServer({ env: { ...env, GPU_COUNT: '2', GPU_PROVIDER: 'webgpu', CPU_WORKERS: '0', VK_ICD_FILENAMES: driver, VK_DRIVER_FILES: driver }, startTimeoutMs: 150_000 });
  });
  afterAll(async () => {
    models.remove();
    if (missing !== null) return;
    expect(await Promise.all([cpu.stop(), gpus.stop()])).toEqual([0, 0]);
  });

  const answer = (server: RunningServer, seed: number): Promise<readonly number[]> => answerOf(server, 'small-cnn', SMALL_CNN_ROW, seed);

  test('both load the model, one slot each, and nothing falls back', async ({ skip }) => {
    if (missing !== null) skip(missing);
    expect((await devicesOf(gpus)).map(({ id, provider, state, slots, fallbacks }) => ({ id, provider, state, slots, fallbacks }))).toEqual(
      ['gpu:0', 'gpu:1'].map((id) => ({ id, provider: 'webgpu', state: 'READY', slots: 1, fallbacks: [] })));
  });

  test('batches run on both, and the answers are the CPU\'s', async ({ skip }) => {
    if (missing !== null) skip(missing);
    const seeds = Array.from({ length: 40 }, (_, index) => index + 1);
    const wanted = await Promise.all(seeds.map((seed) => answer(cpu, seed)));
    const got = await Promise.all(seeds.map((seed) => answer(gpus, seed)));
    got.forEach((values, index) => expectClose(values, wanted[index] ?? [], TOLERANCE_DIGITS));
    expect(await rowsDoneBy(gpus, 'gpu:0')).toBeGreaterThan(0);
    expect(await rowsDoneBy(gpus, 'gpu:1')).toBeGreaterThan(0);
    expect((await rowsDoneBy(gpus, 'gpu:0')) + (await rowsDoneBy(gpus, 'gpu:1'))).toBe(seeds.length);
  });

  test('the traffic of a killed host moves to the other one, and it comes back', async ({ skip }) => {
    if (missing !== null) skip(missing);
    const [victim] = await devicesOf(gpus);
    if (victim === undefined) throw new Error('no device');
    const wanted = await answer(cpu, 99);
    const answers = Promise.all(Array.from({ length: 30 }, () => answer(gpus, 99)));
    process.kill(victim.pid, 'SIGKILL');
    for (const values of await answers) expectClose(values, wanted, TOLERANCE_DIGITS);
    expect(isAlive(victim.pid)).toBe(false);
    await waitUntil(async () => {
      const [again] = await devicesOf(gpus);
      return again?.state === 'READY' && again.restarts === 1;
    }, 120_000);
  });
});
