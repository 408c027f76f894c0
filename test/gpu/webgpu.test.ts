/**
 * The GPU path without a GPU: two GPU hosts with ONNX Runtime's WebGPU provider on SwiftShader, the software GPU of Debian's
 * chromium. It needs the packages chromium and libvulkan1.
 * The bundled models would take minutes there: text detection does not load within 120 s.
 */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeModelFolder } from '../support/model-folder.ts';
import { infer, noise } from '../support/oip.ts';
import { isAlive, startServer, waitUntil, type RunningServer } from '../support/server.ts';
import { smallCnn, SMALL_CNN_ROW } from './small-cnn.ts';

const driver = '/usr/lib/chromium/vk_swiftshader_icd.json';
const missing = existsSync(driver) ? null : `no software GPU: ${driver} is not there (Debian packages chromium and libvulkan1)`;
const SHAPE = [1, ...SMALL_CNN_ROW];
const ELEMENTS = SMALL_CNN_ROW.reduce((product, size) => product * size, 1);
/** Sums in another order, in float32. */
const TOLERANCE_DIGITS = 4;

interface DeviceReply {
  readonly id: string;
  readonly provider: string;
  readonly state: string;
  readonly slots: number;
  readonly pid: number;
  readonly restarts: number;
  readonly fallbacks: readonly unknown[];
}

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

  const devices = async (): Promise<readonly DeviceReply[]> =>
    ((await (await fetch(`${gpus.url}/v2/devices`)).json()) as { devices: DeviceReply[] }).devices;
  const answerOf = async (server: RunningServer, seed: number): Promise<readonly number[]> => {
    const { status, answer } = await infer(server.url, 'small-cnn', SHAPE, noise(seed, ELEMENTS));
    expect(status, answer.error).toBe(200);
    return answer.outputs[0]?.data ?? [];
  };
  /** Inferences that a device has done, by the metrics. */
  const doneBy = async (device: string): Promise<number> => {
    const text = await (await fetch(`${gpus.url}/metrics`)).text();
    return text.split('\n').filter((line) => line.startsWith('sluice_batch_rows_sum') && line.includes(`device="${device}"`)).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  };

  test('both load the model, one slot each, and nothing falls back', async ({ skip }) => {
    if (missing !== null) skip(missing);
    expect((await devices()).map(({ id, provider, state, slots, fallbacks }) => ({ id, provider, state, slots, fallbacks }))).toEqual(
      ['gpu:0', 'gpu:1'].map((id) => ({ id, provider: 'webgpu', state: 'READY', slots: 1, fallbacks: [] })));
  });

  test('batches run on both, and the answers are the CPU\'s', async ({ skip }) => {
    if (missing !== null) skip(missing);
    const seeds = Array.from({ length: 40 }, (_, index) => index + 1);
    const wanted = await Promise.all(seeds.map((seed) => answerOf(cpu, seed)));
    const got = await Promise.all(seeds.map((seed) => answerOf(gpus, seed)));
    got.forEach((answer, index) => {
      expect(answer).toHaveLength(5);
      answer.forEach((value, position) => expect(value).toBeCloseTo(wanted[index]?.[position] ?? Number.NaN, TOLERANCE_DIGITS));
    });
    expect(await doneBy('gpu:0')).toBeGreaterThan(0);
    expect(await doneBy('gpu:1')).toBeGreaterThan(0);
    expect((await doneBy('gpu:0')) + (await doneBy('gpu:1'))).toBe(seeds.length);
  });

  test('the traffic of a killed host moves to the other one, and it comes back', async ({ skip }) => {
    if (missing !== null) skip(missing);
    const [victim] = await devices();
    if (victim === undefined) throw new Error('no device');
    const wanted = await answerOf(cpu, 99);
    const answers = Promise.all(Array.from({ length: 30 }, () => answerOf(gpus, 99)));
    process.kill(victim.pid, 'SIGKILL');
    for (const answer of await answers) answer.forEach((value, position) => expect(value).toBeCloseTo(wanted[position] ?? Number.NaN, TOLERANCE_DIGITS));
    expect(isAlive(victim.pid)).toBe(false);
    await waitUntil(async () => {
      const [again] = await devices();
      return again?.state === 'READY' && again.restarts === 1;
    }, 120_000);
  });
});
