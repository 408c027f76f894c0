/** How rows move: into the queue, out of it, into batches and back. Sums and heaps are kept right here and nowhere else. */
import { unwatch, watch } from './deadlines.ts';
import { accountCaller, chargeCaller, chargeModel, refundCaller } from './fairness.ts';
import { createEntry, firstOf, insert, remove } from './queue.ts';
import { workArrived } from './pressure.ts';
import { rateOf } from './rates.ts';
import { addReady, hideReady, moveCaller, moveModel } from './ready.ts';
import { occupy, vacate } from './slots.ts';
import type { Batch, Entry, Flow, History, JobRecord, Part, SchedulerState, WaitingQueue } from './state.ts';

const FIRST_TRY: History = { losses: 0, alone: false };
const MOST_URGENT = 0;
/** Share of a new job in the model's smoothed cost of a job. */
const JOB_COST_WEIGHT = 0.05;

/** A new job joins its queue. */
export function enqueue(state: SchedulerState, record: JobRecord, nowMs: number): void {
  const { bucket } = record;
  const { model } = bucket;
  model.liveJobs++;
  bucket.liveJobs++;
  const { workMs: costMs } = wait(state, record, state.nextSequence++, 0, record.rows, FIRST_TRY, nowMs);
  workArrived(model.group.shares, costMs, nowMs, state.tuning);
  model.jobCostMs += (costMs - model.jobCostMs) * (model.jobCostMs === 0 ? 1 : JOB_COST_WEIGHT);
}

/** Rows that came back from a batch wait again, at their job's old place and with their caller first: it has had nothing for its turn. */
export function requeue(state: SchedulerState, part: Part, history: History, nowMs: number): void {
  const { flow } = wait(state, part.record, part.sequence, part.rowStart, part.rows, history, nowMs);
  const { model } = part.record.bucket;
  refundCaller(model.callers, flow!.share);
  moveCaller(model, flow!.share, 'forward');
}

/** The entry has waited long enough to be as urgent as any. */
export function comeOfAge(state: SchedulerState, entry: Entry, nowMs: number): void {
  const queue = entry.flow?.queue;
  if (queue === undefined || entry.priority === MOST_URGENT) return;
  remove(entry);
  entry.priority = MOST_URGENT;
  insert(queue, entry);
  reposition(state, queue, nowMs);
}

/** An entry leaves the queue for good: cancelled, expired, or its job has failed. */
export function withdraw(state: SchedulerState, entry: Entry, nowMs: number): void {
  const { flow, record } = entry;
  if (flow === null) return;
  const { queue } = flow;
  account(state, flow, -1, -entry.workMs);
  remove(entry);
  unwatchBoth(state, entry);
  record.waiting.splice(record.waiting.indexOf(entry), 1);
  reposition(state, queue, nowMs);
}

/** Takes the entry's first `rows` rows; the caller repositions the queue when it has taken all that it wants. */
export function takeRows(state: SchedulerState, entry: Entry, rows: number): Part {
  const { record, history, rowStart, sequence } = entry;
  const flow = entry.flow!;
  const { queue, share } = flow;
  const { model } = queue.bucket;
  // Where no device tells what rows cost, they count as they are.
  const taken = ((entry.workMs || entry.rows) * rows) / entry.rows;
  if (rows === entry.rows) {
    account(state, flow, -1, -entry.workMs);
    remove(entry);
    // Before others are compared with it: its first entry is another one now, or there is none.
    if (queue.entries === 0) hideReady(queue);
    else if (model.ready.has(queue)) model.ready.update(queue);
    unwatchBoth(state, entry);
    record.waiting.splice(record.waiting.indexOf(entry), 1);
  } else {
    const workMs = (entry.workMs * rows) / entry.rows;
    account(state, flow, 0, -workMs);
    entry.workMs -= workMs;
    entry.rowStart += rows;
    entry.rows -= rows;
    queue.rows -= rows;
  }
  chargeCaller(model.callers, share, taken);
  moveCaller(model, share, 'back');
  record.running++;
  return { job: record.job, jobRows: record.rows, record, history, sequence, rowStart, rows };
}

/** The batch takes its permit and its place on the device. */
export function launch(state: SchedulerState, batch: Batch, nowMs: number): void {
  if (batch.permit !== null) batch.permit.used++;
  state.batches.set(batch.id, batch);
  const { model } = batch.bucket;
  model.tag = chargeModel(model.group.shares, model.tag, batch.predictedMs);
  moveModel(model);
  occupy(batch, nowMs);
}

/** The batch could not be sent: its model has had nothing. */
export function uncharge({ bucket, predictedMs }: Batch): void {
  const { model } = bucket;
  model.tag = Math.max(model.group.shares.virtualMs, model.tag - predictedMs);
  moveModel(model);
}

/** The batch gives its permit and its place back. Its parts still count as running until `partDone`. */
export function land(state: SchedulerState, batch: Batch, nowMs: number): void {
  if (batch.permit !== null) batch.permit.used--;
  state.batches.delete(batch.id);
  vacate(batch, nowMs);
}

/** The host is done with a part's rows. */
export function partDone(part: Part): void {
  part.record.running--;
}

/** Nothing of the job waits or runs any more: it no longer counts. */
export function forget(record: JobRecord): void {
  record.bucket.model.liveJobs--;
  record.bucket.liveJobs--;
}

/** Puts the queue where it belongs after its head or its length changed: ready, held by model.json's delay, or nowhere. */
export function reposition(state: SchedulerState, queue: WaitingQueue, nowMs: number): void {
  const first = firstOf(queue);
  const heldUntilMs = first === null ? -Infinity : heldUntil(queue, first);
  const holds = heldUntilMs > nowMs;
  if (!holds && state.held.has(queue)) state.held.remove(queue);
  if (first === null || holds) hideReady(queue);
  queue.heldUntilMs = heldUntilMs;
  if (first === null) return;
  if (!holds) addReady(queue);
  else if (state.held.has(queue)) state.held.update(queue);
  else state.held.push(queue);
}

function wait(state: SchedulerState, record: JobRecord, sequence: number, rowStart: number, rows: number, history: History, nowMs: number): Entry {
  const { bucket } = record;
  const queue = history.alone ? bucket.retries : bucket.queue;
  const entry = createEntry(record, sequence, rowStart, rows, history);
  entry.workMs = rows * rateOf(state, bucket);
  record.waiting.push(entry);
  const { job } = record;
  watch(state.deadlines, entry.due, job.deadlineMs);
  const ageMs = job.enqueuedMs + state.tuning.agingMs;
  if (ageMs <= nowMs) entry.priority = MOST_URGENT;
  else watch(state.aging, entry.aging, ageMs);
  insert(queue, entry);
  account(state, entry.flow!, 1, entry.workMs);
  reposition(state, queue, nowMs);
  return entry;
}

function unwatchBoth(state: SchedulerState, entry: Entry): void {
  unwatch(state.deadlines, entry.due);
  unwatch(state.aging, entry.aging);
}

function account(state: SchedulerState, { queue, share }: Flow, entries: number, workMs: number): void {
  const { model } = queue.bucket;
  const { group } = model;
  state.queuedJobs += entries;
  model.queuedJobs += entries;
  group.entries += entries;
  accountCaller(model.callers, share, entries, workMs);
  // Nothing waits: what is left of a sum is rounding.
  model.workMs = model.queuedJobs === 0 ? 0 : model.workMs + workMs;
  group.workMs = group.entries === 0 ? 0 : group.workMs + workMs;
}

function heldUntil(queue: WaitingQueue, first: Entry): number {
  const { policy } = queue.bucket.model.model;
  if (policy.maxQueueDelayMs === null || policy.maxQueueDelayMs <= 0 || queue.alone) return -Infinity;
  if (queue.rows >= fullRows(queue)) return -Infinity;
  // The oldest counts, not the most urgent: one that came later must not hold those before it any longer.
  let oldestMs = first.record.job.enqueuedMs;
  for (const { flows } of queue.levels) for (const { first: head } of flows.values()) oldestMs = Math.min(oldestMs, head!.record.job.enqueuedMs);
  return oldestMs + policy.maxQueueDelayMs;
}

/** Rows at which waiting for more is over: the largest preferred size, or the largest size at all. */
function fullRows(queue: WaitingQueue): number {
  const { model } = queue.bucket;
  const { preferredBatchSizes } = model.model.policy;
  let largest = 1;
  for (const curve of queue.bucket.curves) if (curve !== undefined) largest = Math.max(largest, curve.maxRows);
  return preferredBatchSizes === null || preferredBatchSizes.length === 0 ? largest : Math.min(largest, Math.max(...preferredBatchSizes));
}
