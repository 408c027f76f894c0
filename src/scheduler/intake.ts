/** Whether a job is taken: the reasons to refuse it, each with what its client can do. */
import type { TensorMemory } from '../contracts/arena.ts';
import type { Batcher } from '../contracts/batching.ts';
import type { Job } from '../contracts/job.ts';
import { SluiceError } from '../errors.ts';
import { bucketFor } from './buckets.ts';
import { backlogOf } from './predict.ts';
import type { JobRecord, ModelState, SchedulerState } from './state.ts';

export interface QueueLimits {
  /** Jobs that may wait for one model, and for all of them. */
  readonly maxQueuedPerModel: number;
  readonly maxQueuedTotal: number;
}

/** The model that takes the job. Throws NOT_READY, DEADLINE_PASSED, or OVERLOADED with the predicted wait. */
export function modelFor(state: SchedulerState, job: Job, limits: QueueLimits, nowMs: number): ModelState {
  const model = state.models.get(job.model.key);
  if (model === undefined || model.draining) throw new SluiceError('NOT_READY', `${job.model.name} is not served, or no longer`);
  if (hasNoDevice(model)) throw new SluiceError('NOT_READY', `no device that serves ${job.model.name} is running`);
  if (job.deadlineMs <= nowMs) throw new SluiceError('DEADLINE_PASSED', 'the deadline had passed when the request was complete');
  if (model.queuedJobs >= limits.maxQueuedPerModel || state.queuedJobs >= limits.maxQueuedTotal) {
    const { queuedJobs, waitMs } = backlogOf(model, job.caller, nowMs);
    const all = state.queuedJobs >= limits.maxQueuedTotal ? `${state.queuedJobs} requests wait in all` : `${queuedJobs} requests wait for ${job.model.name}`;
    throw new SluiceError('OVERLOADED', `${all}; that is the limit`, { retryAfterMs: Math.max(1, waitMs) });
  }
  return model;
}

/** Throws BAD_TENSOR when the job's inputs have no rows in common. */
export function recordFor(state: SchedulerState, model: ModelState, job: Job, batcher: Batcher, memory: TensorMemory, nowMs: number): JobRecord {
  const { rows, bucket } = batcher.shapeOf(job, memory);
  return {
    job, rows, bucket: bucketFor(state, model, bucket, () => batcher.elementsPerRow(job, rows)),
    predictedQueueMs: backlogOf(model, job.caller, nowMs).waitMs, waiting: [], running: 0, startedMs: NaN, settled: false, released: false, expired: false,
  };
}

/** Nothing will ever run there: every device that loaded the model has ended for good. */
export function hasNoDevice(model: ModelState): boolean {
  for (const { device } of model.placements) if (!device.gone) return false;
  return true;
}
