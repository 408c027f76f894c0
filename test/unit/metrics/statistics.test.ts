import { describe, expect, it } from 'vitest';
import { SluiceError } from '../../../src/errors.ts';
import { Recorder } from '../../../src/metrics/recorder.ts';
import { createStatistics } from '../../../src/metrics/statistics.ts';
import { batchDone, jobSucceeded } from './events.ts';

function build() {
  let wallMs = 1_700_000_000_000;
  const recorder = new Recorder(() => (wallMs += 1_000));
  return { recorder, statistics: createStatistics(recorder) };
}

describe('statistics', () => {
  it('has nothing of a model that did nothing', () => {
    expect(build().statistics.of('text/1')).toBeNull();
  });

  it('counts requests, rows and their times in nanoseconds', () => {
    const { recorder, statistics } = build();
    recorder.jobSucceeded(jobSucceeded());
    recorder.jobSucceeded(jobSucceeded({ rows: 3 }));
    expect(statistics.of('text/1')).toEqual({
      name: 'text',
      version: '1',
      lastInferenceMs: 1_700_000_002_000,
      inferenceCount: 4,
      executionCount: 0,
      success: { count: 2, ns: 16_000_000 },
      fail: { count: 0, ns: 0 },
      queue: { count: 2, ns: 4_000_000 },
      computeInput: { count: 2, ns: 500_000 },
      computeInfer: { count: 2, ns: 8_000_000 },
      computeOutput: { count: 2, ns: 1_000_000 },
      batches: [],
    });
  });

  it('counts batches by their size, without padding, smallest first', () => {
    const { recorder, statistics } = build();
    recorder.batchDone(batchDone({ rows: 4, inferMs: 3 }));
    recorder.batchDone(batchDone({ rows: 3, paddedRows: 4, inferMs: 2 }));
    recorder.batchDone(batchDone({ rows: 4, inferMs: 1 }));
    const stats = statistics.of('text/1');
    expect(stats?.executionCount).toBe(3);
    expect(stats?.batches.map(({ batchSize, computeInfer }) => [batchSize, computeInfer])).toEqual([
      [3, { count: 1, ns: 2_000_000 }],
      [4, { count: 2, ns: 4_000_000 }],
    ]);
  });

  it('counts failures with their time, and refusals as failures that took none', () => {
    const { recorder, statistics } = build();
    recorder.jobFailed({ model: 'text/1', id: 'r1', error: new SluiceError('MODEL_FAILED', 'no'), totalMs: 3 });
    recorder.refused({ model: 'text/1', error: new SluiceError('OVERLOADED', 'full') });
    recorder.refused({ model: null, error: new SluiceError('UNKNOWN_MODEL', 'who') });
    expect(statistics.of('text/1')?.fail).toEqual({ count: 2, ns: 3_000_000 });
  });

  it('goes on counting when a version is loaded again, and tells versions apart', () => {
    const { recorder, statistics } = build();
    recorder.jobSucceeded(jobSucceeded());
    recorder.jobSucceeded(jobSucceeded({ model: 'text/1@2' }));
    recorder.jobSucceeded(jobSucceeded({ model: 'text/2' }));
    expect(statistics.of('text/1')?.success.count).toBe(2);
    expect(statistics.of('text/1@2')?.success.count).toBe(2);
    expect(statistics.of('text/2')?.success.count).toBe(1);
  });

  it('never counts time backwards', () => {
    const { recorder, statistics } = build();
    const { timings } = jobSucceeded();
    recorder.jobSucceeded(jobSucceeded({ timings: { ...timings, queueMs: -1 } }));
    expect(statistics.of('text/1')?.queue).toEqual({ count: 1, ns: 0 });
  });
});
