import { describe, expect, it } from 'vitest';
import type { LoadReport, ModelSource } from '../../../src/contracts/model.ts';
import { place, type Placement } from '../../../src/repository/placement.ts';
import { BATCHES, LoadingDevice, loadFailure, loadReport } from '../../support/loading-device.ts';

const SOURCE: ModelSource = { key: 'm/1', name: 'm', version: '1', path: '/host/secret/model.onnx', warmupShapes: {}, batchTolerance: 1e-4, warmupBudgetMs: 1000 };
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

interface Fallback {
  readonly model: string;
  readonly device: string;
  readonly reason: string;
}

async function placeOn(devices: readonly LoadingDevice[], gpuFallback: 'cpu' | 'never' = 'cpu'): Promise<{ placement: Placement; fallbacks: Fallback[] }> {
  const fallbacks: Fallback[] = [];
  const observer = { fallback: (event: Fallback) => fallbacks.push(event) };
  return { placement: await place(SOURCE, { devices, observer, logger: silent, gpuFallback }), fallbacks };
}

const refuses = (message = 'no provider'): LoadingDevice['behaviour'] => loadFailure(message);
const notBatching: LoadReport = loadReport({ batching: { batchable: false, reason: 'rows change each other', inputAxes: [null], outputAxes: [null] } });

describe('placement', () => {
  it('loads on all GPUs at once, and on the CPU when they are done', async () => {
    const order: string[] = [];
    const devices = ['gpu:0', 'cpu', 'gpu:1'].map((id) => new LoadingDevice(id, async () => {
      order.push(`${id} begins`);
      await Promise.resolve();
      order.push(`${id} ends`);
      return loadReport();
    }));
    const { placement, fallbacks } = await placeOn(devices);
    expect(order).toEqual(['gpu:0 begins', 'gpu:1 begins', 'gpu:0 ends', 'gpu:1 ends', 'cpu begins', 'cpu ends']);
    expect([...placement.reports.keys()].sort()).toEqual(['cpu', 'gpu:0', 'gpu:1']);
    expect(fallbacks).toEqual([]);
  });

  it('serves on what is left when a GPU refuses, and says so, without paths', async () => {
    const { placement, fallbacks } = await placeOn([new LoadingDevice('gpu:0', refuses(`can't read ${SOURCE.path}`)), new LoadingDevice('cpu')]);
    expect([...placement.reports.keys()]).toEqual(['cpu']);
    expect(fallbacks).toEqual([{ model: 'm/1', device: 'gpu:0', reason: "can't read model.onnx" }]);
  });

  it('with fallback never, a model that no GPU loads is refused, and the CPU is not even asked', async () => {
    const cpu = new LoadingDevice('cpu');
    await expect(placeOn([new LoadingDevice('gpu:0', refuses()), cpu], 'never')).rejects.toMatchObject({ code: 'MODEL_LOAD_FAILED', message: 'gpu:0: no provider (GPU_FALLBACK=never forbids the CPU)' });
    expect(cpu.calls).toEqual([]);
  });

  it('with fallback never, another GPU is good enough', async () => {
    const { placement, fallbacks } = await placeOn([new LoadingDevice('gpu:0', refuses()), new LoadingDevice('gpu:1'), new LoadingDevice('cpu')], 'never');
    expect([...placement.reports.keys()]).toEqual(['gpu:1', 'cpu']);
    expect(fallbacks).toMatchObject([{ device: 'gpu:0' }]);
  });

  it('with fallback never and no GPU at all, the CPU serves: nothing fell back', async () => {
    expect([...(await placeOn([new LoadingDevice('cpu')], 'never')).placement.reports.keys()]).toEqual(['cpu']);
  });

  it('names every reason when no device can', async () => {
    await expect(placeOn([new LoadingDevice('gpu:0', refuses('no memory')), new LoadingDevice('cpu', refuses('bad opset'))])).rejects.toThrow('gpu:0: no memory; cpu: bad opset');
    await expect(placeOn([])).rejects.toThrow('there is no device');
  });

  it('batches only when it does everywhere', async () => {
    const { placement } = await placeOn([new LoadingDevice('gpu:0'), new LoadingDevice('cpu', () => notBatching)]);
    expect(placement.batching).toBe(notBatching.batching);
  });

  it('does not batch when devices put rows along different axes', async () => {
    const otherwise = loadReport({ batching: { ...BATCHES, outputAxes: [1] } });
    const { placement } = await placeOn([new LoadingDevice('gpu:0'), new LoadingDevice('cpu', () => otherwise)]);
    expect(placement.batching).toEqual({ batchable: false, reason: 'gpu:0 and cpu put the rows of a batch along different axes', inputAxes: [null], outputAxes: [null] });
  });

  it('refuses a model that two devices see differently, and leaves nothing loaded', async () => {
    const gpu = new LoadingDevice('gpu:0');
    const cpu = new LoadingDevice('cpu', () => loadReport({ outputs: [{ name: 'y', datatype: 'FP16', shape: [-1, 4] }] }));
    await expect(placeOn([gpu, cpu])).rejects.toThrow('m/1: gpu:0 and cpu disagree about its inputs and outputs');
    expect([gpu.calls.at(-1), cpu.calls.at(-1)]).toEqual(['unload m/1', 'unload m/1']);
  });
});
