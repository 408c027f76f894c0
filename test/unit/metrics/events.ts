/** What stages tell, with everything filled in. */
import type { Observer } from '../../../src/contracts/stages.ts';

type JobSucceeded = Parameters<Observer['jobSucceeded']>[0];
type BatchDone = Parameters<Observer['batchDone']>[0];

export function jobSucceeded(overrides: Partial<JobSucceeded> = {}): JobSucceeded {
  const timings = { queueMs: 2, computeInputMs: 0.25, computeInferMs: 4, computeOutputMs: 0.5, totalMs: 8 };
  return { model: 'text/1', id: 'r1', rows: 1, device: 'cpu', batchRows: 4, timings, predictedQueueMs: 7, ...overrides };
}

export function batchDone(overrides: Partial<BatchDone> = {}): BatchDone {
  return {
    model: 'text/1', device: 'cpu', rows: 4, paddedRows: 4, reason: 'full', predictedMs: 5,
    inputMs: 0.5, inferMs: 4, outputMs: 0.5, copiedBytes: 0, ...overrides,
  };
}
