import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { DeviceStatus } from '../../../src/contracts/device.ts';
import { SluiceError } from '../../../src/errors.ts';
import { createMetrics, type Metrics } from '../../../src/metrics/metrics.ts';
import type { ModelGauges } from '../../../src/metrics/model-families.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { batchDone, jobSucceeded } from './events.ts';

const TEXT: ModelGauges = { name: 'text', version: '1', ready: true, pendingRequests: 7 };

const CPU: DeviceStatus = {
  id: 'cpu', kind: 'cpu', provider: 'cpu', state: 'READY', slots: 2, pid: 1, restarts: 3, lastError: null, gpu: null, fallbacks: [],
};

const GPU: DeviceStatus = {
  ...CPU, id: 'gpu:0', kind: 'gpu', provider: 'cuda', state: 'RESTARTING',
  gpu: { index: 0, name: 'X', uuid: 'GPU-1', memoryTotalBytes: 1_000, memoryUsedBytes: 400, utilizationPercent: 25 },
};

function build(models: readonly ModelGauges[] = [TEXT], devices: readonly DeviceStatus[] = [CPU, GPU]): Metrics {
  return createMetrics({
    clock: new FakeClock(),
    wallClock: () => 0,
    logger: pino({ level: 'silent' }),
    models: () => models,
    devices: () => devices,
    arenaUsage: () => ({ totalBytes: 4_096, usedBytes: 64, leases: 2 }),
    admittedRequests: () => 5,
  });
}

async function lines(metrics: Metrics, accept?: string): Promise<readonly string[]> {
  return (await metrics.scrape(accept)).body.split('\n');
}

describe('a scrape', () => {
  it('starts the counters of a model at 0 before its first request', async () => {
    const found = await lines(build());
    expect(found).toContain('nv_inference_request_success{model="text",version="1"} 0');
    expect(found).toContain('nv_inference_request_failure{model="text",version="1",reason="REJECTED"} 0');
    expect(found).toContain('nv_inference_pending_request_count{model="text",version="1"} 7');
    expect(found).toContain('sluice_model_ready{model="text",version="1"} 1');
  });

  it("tells what requests and batches did, by Triton's names and in seconds", async () => {
    const metrics = build();
    metrics.observer.jobSucceeded(jobSucceeded({ rows: 2 }));
    metrics.observer.batchDone(batchDone({ rows: 3, paddedRows: 4, copiedBytes: 100 }));
    metrics.observer.batchLost({ model: 'text/1', device: 'cpu', reason: 'killed' });
    metrics.observer.fallback({ model: 'text/1', device: 'gpu:0', reason: 'no CUDA' });
    const found = await lines(metrics);
    expect(found).toEqual(expect.arrayContaining([
      'nv_inference_request_success{model="text",version="1"} 1',
      'nv_inference_count{model="text",version="1"} 2',
      'nv_inference_exec_count{model="text",version="1"} 1',
      'nv_inference_request_duration_us{model="text",version="1"} 8000',
      'nv_inference_queue_duration_us{model="text",version="1"} 2000',
      'nv_inference_compute_input_duration_us{model="text",version="1"} 250',
      'nv_inference_compute_infer_duration_us{model="text",version="1"} 4000',
      'nv_inference_compute_output_duration_us{model="text",version="1"} 500',
      'sluice_queue_seconds_bucket{model="text",version="1",le="0.001"} 0',
      'sluice_queue_seconds_bucket{model="text",version="1",le="0.0025"} 1',
      'sluice_request_seconds_sum{model="text",version="1"} 0.008',
      // 7 ms were predicted and 2 ms waited: 5 of 25 ms.
      'sluice_queue_prediction_error_ratio_bucket{model="text",version="1",le="0.1"} 0',
      'sluice_queue_prediction_error_ratio_bucket{model="text",version="1",le="0.2"} 1',
      'sluice_compute_seconds_sum{model="text",version="1",device="cpu"} 0.005',
      'sluice_batch_rows_bucket{model="text",version="1",device="cpu",le="2.0"} 0',
      'sluice_batch_rows_bucket{model="text",version="1",device="cpu",le="4.0"} 1',
      'sluice_batch_padding_rows_total{model="text",version="1",device="cpu"} 1',
      'sluice_batch_copied_bytes_total{model="text",version="1",device="cpu"} 100',
      'sluice_batch_predicted_seconds_total{model="text",version="1",device="cpu"} 0.005',
      'sluice_batch_release_total{model="text",version="1",reason="full"} 1',
      'sluice_batch_lost_total{model="text",version="1",device="cpu"} 1',
      'sluice_fallback_total{model="text",version="1",device="gpu:0"} 1',
    ]));
  });

  it('sorts failures and refusals by reason and code', async () => {
    const metrics = build();
    metrics.observer.jobFailed({ model: 'text/1', id: 'a', error: new SluiceError('CANCELLED', 'gone'), totalMs: 1 });
    metrics.observer.jobFailed({ model: 'text/1', id: 'b', error: new SluiceError('DEVICE_LOST', 'lost'), totalMs: 1 });
    metrics.observer.refused({ model: 'text/1', error: new SluiceError('OVERLOADED', 'full') });
    metrics.observer.refused({ model: null, error: new SluiceError('UNKNOWN_MODEL', 'who') });
    const found = await lines(metrics);
    expect(found).toEqual(expect.arrayContaining([
      'nv_inference_request_failure{model="text",version="1",reason="CANCELED"} 1',
      'nv_inference_request_failure{model="text",version="1",reason="BACKEND"} 1',
      'nv_inference_request_failure{model="text",version="1",reason="REJECTED"} 1',
      'nv_inference_request_failure{model="text",version="1",reason="OTHER"} 0',
      'sluice_request_failures_total{model="text",version="1",code="CANCELLED"} 1',
      'sluice_refused_total{code="OVERLOADED"} 1',
      'sluice_refused_total{code="UNKNOWN_MODEL"} 1',
    ]));
  });

  it('shows devices, the arena, admission and the process as they are now', async () => {
    const found = await lines(build());
    expect(found).toEqual(expect.arrayContaining([
      'sluice_device_state{device="cpu",kind="cpu",provider="cpu",state="READY"} 1',
      'sluice_device_state{device="gpu:0",kind="gpu",provider="cuda",state="READY"} 0',
      'sluice_device_state{device="gpu:0",kind="gpu",provider="cuda",state="RESTARTING"} 1',
      'sluice_device_restarts_total{device="cpu"} 3',
      'sluice_device_slots{device="cpu"} 2',
      'nv_gpu_utilization{gpu_uuid="GPU-1"} 0.25',
      'nv_gpu_memory_total_bytes{gpu_uuid="GPU-1"} 1000',
      'nv_gpu_memory_used_bytes{gpu_uuid="GPU-1"} 400',
      'sluice_arena_bytes{state="used"} 64',
      'sluice_arena_bytes{state="total"} 4096',
      'sluice_arena_leases 2',
      'sluice_admitted_requests 5',
    ]));
    for (const name of ['process_resident_memory_bytes', 'process_cpu_seconds_total', 'nodejs_eventloop_lag_p99_seconds', 'sluice_event_loop_active_seconds_total']) {
      expect(found.some((line) => line.startsWith(`${name} `)), name).toBe(true);
    }
  });

  it('leaves out what a GPU does not tell', async () => {
    const silent: DeviceStatus = { ...GPU, gpu: { index: 0, name: 'X', uuid: 'GPU-1', memoryTotalBytes: 1, memoryUsedBytes: 1, utilizationPercent: null } };
    expect((await lines(build([TEXT], [silent]))).filter((line) => line.startsWith('nv_gpu_utilization{'))).toEqual([]);
  });

  it.each([['prometheus', undefined], ['openmetrics', 'application/openmetrics-text']])('is well-formed %s: each family once, its samples right after it', async (format, accept) => {
    const metrics = build();
    metrics.observer.jobSucceeded(jobSucceeded());
    metrics.observer.batchDone(batchDone());
    // Both formats in turn: neither may leave traces in the other.
    await metrics.scrape('application/openmetrics-text');
    const { body, contentType } = await metrics.scrape(accept);
    expect(contentType).toContain(format === 'openmetrics' ? 'application/openmetrics-text; version=1.0.0' : 'text/plain; version=0.0.4');
    const text = body.split('\n');
    expect(text.pop()).toBe('');
    if (format === 'openmetrics') expect(text.pop()).toBe('# EOF');
    const seen = new Set<string>();
    let family = '';
    let type = '';
    for (const line of text) {
      const [, help] = /^# HELP (\S+) ./.exec(line) ?? [];
      const [, typed, kind] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line) ?? [];
      if (help !== undefined) {
        expect(seen.has(help), line).toBe(false);
        seen.add(help);
        family = help;
      } else if (kind !== undefined) {
        expect(typed, line).toBe(family);
        type = kind;
      } else {
        const [, name, value] = /^([a-z_0-9]+)(?:\{[^{}]+\})? (\S+)$/.exec(line) ?? [];
        const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [type === 'counter' && format === 'openmetrics' ? '_total' : ''];
        expect(suffixes.map((suffix) => family + suffix), line).toContain(name);
        expect(value, line).toMatch(/^(NaN|[+-]Inf|-?\d+(\.\d+)?(e[+-]?\d+)?)$/);
      }
    }
  });

  it('shows every one of 500 busy models', async () => {
    const models = Array.from({ length: 500 }, (_, index) => ({ ...TEXT, name: `model_${String(index)}` }));
    const metrics = build(models);
    for (const model of models) {
      metrics.observer.jobSucceeded(jobSucceeded({ model: `${model.name}/1` }));
      metrics.observer.batchDone(batchDone({ model: `${model.name}/1` }));
    }
    const counted = (await lines(metrics)).filter((line) => /^nv_inference_request_success\{.*\} 1$/.test(line));
    expect(counted).toHaveLength(500);
  });
});
