/** When a job's turn comes: from the same costs, and the same order of callers and models, that decisions are made from. */
import type { Backlog, QueuePosition } from '../contracts/job.ts';
import { aheadOfCaller, MODEL_STEP_MS } from './fairness.ts';
import { entriesIn } from './queue.ts';
import { startsInMs } from './slots.ts';
import type { Entry, Group, JobRecord, ModelState, SchedulerState, WaitingQueue } from './state.ts';

/** What a job of this caller that comes now would find before it. Constant in the number of jobs. */
export function backlogOf(model: ModelState, caller: string, nowMs: number): Backlog {
  const { group, callers, workMs, jobCostMs } = model;
  const models = group.ready.size + (group.ready.has(model) ? 0 : 1);
  const ownMs = aheadOfCaller(callers, caller, workMs, jobCostMs);
  // Every other model's turn is as long as this one's, up to the next whole step, or shorter where it has less.
  const aheadMs = Math.min(group.workMs - workMs, (models - 1) * (ownMs + jobCostMs + MODEL_STEP_MS)) + ownMs;
  return { queuedJobs: model.queuedJobs, activeJobs: model.liveJobs, waitMs: firstStartMs(group, nowMs) + aheadMs, jobCostMs, serviceMs: model.serviceMs };
}

interface Ahead {
  jobs: number;
  workMs: number;
}

/** Place among the model's waiting jobs; null once none of its rows wait. Walks the queues of its group: only when asked. */
export function positionOf(state: SchedulerState, record: JobRecord, nowMs: number): QueuePosition | null {
  const [entry] = record.waiting;
  if (entry === undefined) return null;
  const { model } = record.bucket;
  const own: Ahead = { jobs: 0, workMs: 0 };
  const virtualMs = virtualStartMs(entry);
  for (const queue of queuesOf(model)) addAhead(queue, entry, virtualMs, own);
  let aheadMs = own.workMs;
  for (const other of state.models.values()) {
    if (other !== model && other.group === model.group && other.queuedJobs > 0) aheadMs += workBefore(other, model, entry.priority, own.workMs);
  }
  const anyReady = model.group.devices.some((device) => device.ready);
  return { position: own.jobs, queueSize: model.queuedJobs, etaMs: anyReady ? firstStartMs(model.group, nowMs) + aheadMs : null };
}

/** Milliseconds until the first slot of the group's devices is free of what is in flight; 0 while none is ready. */
function firstStartMs(group: Group, nowMs: number): number {
  let firstMs = Infinity;
  for (const device of group.devices) if (device.ready) firstMs = Math.min(firstMs, startsInMs(device, nowMs));
  return firstMs === Infinity ? 0 : firstMs;
}

function* queuesOf(model: ModelState): Generator<WaitingQueue> {
  for (const { queue, retries } of model.buckets.values()) {
    yield queue;
    yield retries;
  }
}

/** What its caller will have had when the entry's turn comes: one caller's requests go in the order in which they came. */
function virtualStartMs(entry: Entry): number {
  const { share } = entry.flow!;
  let virtualMs = share.tag;
  for (const { first } of share.flows) {
    for (let other = first; other !== null && other.sequence < entry.sequence; other = other.next) virtualMs += other.workMs;
  }
  return virtualMs;
}

/** Adds what goes before the entry: all of higher priority, and in its own what has a lower tag by then, or came before. */
function addAhead(queue: WaitingQueue, entry: Entry, virtualMs: number, ahead: Ahead): void {
  const { priority } = entry;
  for (const level of queue.levels) {
    if (level.priority > priority) break;
    for (const { share, first } of level.flows.values()) {
      let startMs = share.tag;
      for (let other = first; other !== null && other !== entry; other = other.next) {
        const later = share === entry.flow!.share ? other.sequence > entry.sequence : startMs > virtualMs || (startMs === virtualMs && other.sequence > entry.sequence);
        if (level.priority === priority && later) break;
        ahead.jobs++;
        ahead.workMs += other.workMs;
        startMs += other.workMs;
      }
    }
  }
}

/** Work of another model that goes before `ownMs` of this one's: what is more urgent, and until it has had as much. */
function workBefore(other: ModelState, model: ModelState, priority: number, ownMs: number): number {
  let urgentMs = 0;
  let equalMs = 0;
  for (const { levels } of queuesOf(other)) {
    for (const level of levels) {
      if (level.priority > priority) break;
      let workMs = 0;
      for (const entry of entriesIn(level)) workMs += entry.workMs;
      if (level.priority < priority) urgentMs += workMs;
      else equalMs += workMs;
    }
  }
  return urgentMs + Math.min(equalMs, Math.max(0, model.tag + ownMs - other.tag));
}
