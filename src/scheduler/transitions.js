/** How rows move: into the queue, out of it, into batches and back. Sums and heaps are kept right here and nowhere else. */
import { firstOf, createEntry, insert, remove } from "./queue.js";
import { unwatch, watch } from "./deadlines.js";
import { rateOf } from "./rates.js";
import { occupy, vacate } from "./slots.js";
const FIRST_TRY = { losses: 0, alone: false };
/** Share of a new job in the model's smoothed cost of a job. */
const JOB_COST_WEIGHT = 0.05;
/** A new job joins its queue. */
export function enqueue(state, record, nowMs) {
    const { bucket } = record;
    const { model } = bucket;
    model.liveJobs++;
    bucket.liveJobs++;
    const costMs = wait(state, record, state.nextSequence++, 0, record.rows, FIRST_TRY, nowMs);
    model.jobCostMs += (costMs - model.jobCostMs) * (model.jobCostMs === 0 ? 1 : JOB_COST_WEIGHT);
}
/** Rows that came back from a batch wait again, at their job's old place. */
export function requeue(state, part, history, nowMs) {
    wait(state, part.record, part.sequence, part.rowStart, part.rows, history, nowMs);
}
/** An entry leaves the queue for good: cancelled, expired, or its job has failed. */
export function withdraw(state, entry, nowMs) {
    const { queue, record } = entry;
    if (queue === null)
        return;
    account(state, queue, -1, -entry.workMs);
    remove(entry);
    unwatch(state.deadlines, entry);
    record.waiting.splice(record.waiting.indexOf(entry), 1);
    reposition(state, queue, nowMs);
}
/** Takes the entry's first `rows` rows; the caller repositions the queue when it has taken all that it wants. */
export function takeRows(state, entry, rows) {
    const { record, history, rowStart, sequence } = entry;
    const queue = entry.queue;
    if (rows === entry.rows) {
        account(state, queue, -1, -entry.workMs);
        remove(entry);
        unwatch(state.deadlines, entry);
        record.waiting.splice(record.waiting.indexOf(entry), 1);
    }
    else {
        const workMs = (entry.workMs * rows) / entry.rows;
        account(state, queue, 0, -workMs);
        entry.workMs -= workMs;
        entry.rowStart += rows;
        entry.rows -= rows;
        queue.rows -= rows;
    }
    record.running++;
    return { job: record.job, jobRows: record.rows, record, history, sequence, rowStart, rows };
}
/** The batch takes its permit and its place on the device. */
export function launch(state, batch, nowMs) {
    if (batch.permit !== null)
        batch.permit.used++;
    state.batches.set(batch.id, batch);
    occupy(batch, nowMs);
}
/** The batch gives its permit and its place back. Its parts still count as running until `partDone`. */
export function land(state, batch, nowMs) {
    if (batch.permit !== null)
        batch.permit.used--;
    state.batches.delete(batch.id);
    vacate(batch, nowMs);
}
/** The host is done with a part's rows. */
export function partDone(part) {
    part.record.running--;
}
/** Nothing of the job waits or runs any more: it no longer counts. */
export function forget(record) {
    record.bucket.model.liveJobs--;
    record.bucket.liveJobs--;
}
/** Puts the queue where it belongs after its head or its length changed: ready, held by model.json's delay, or nowhere. */
export function reposition(state, queue, nowMs) {
    const { ready } = queue.bucket.model.group;
    const first = firstOf(queue);
    const heldUntilMs = first === null ? -Infinity : heldUntil(queue, first);
    const target = first === null ? null : heldUntilMs > nowMs ? state.held : ready;
    for (const heap of [ready, state.held])
        if (heap !== target && heap.has(queue))
            heap.remove(queue);
    queue.heldUntilMs = heldUntilMs;
    if (target === null)
        return;
    if (target.has(queue))
        target.update(queue);
    else
        target.push(queue);
}
/** Returns the milliseconds of work that now wait. */
function wait(state, record, sequence, rowStart, rows, history, nowMs) {
    const { bucket } = record;
    const queue = history.alone ? bucket.retries : bucket.queue;
    const entry = createEntry(record, sequence, rowStart, rows, history);
    entry.workMs = rows * rateOf(state, bucket);
    record.waiting.push(entry);
    insert(queue, entry);
    watch(state.deadlines, entry);
    account(state, queue, 1, entry.workMs);
    reposition(state, queue, nowMs);
    return entry.workMs;
}
function account(state, queue, entries, workMs) {
    const { model } = queue.bucket;
    const { group } = model;
    state.queuedJobs += entries;
    model.queuedJobs += entries;
    group.entries += entries;
    // Nothing waits: what is left of the sum is rounding.
    group.workMs = group.entries === 0 ? 0 : group.workMs + workMs;
}
function heldUntil(queue, first) {
    const { policy } = queue.bucket.model.model;
    if (policy.maxQueueDelayMs === null || policy.maxQueueDelayMs <= 0 || queue.alone)
        return -Infinity;
    if (queue.rows >= fullRows(queue))
        return -Infinity;
    // The oldest counts, not the most urgent: one that came later must not hold those before it any longer.
    let oldestMs = first.record.job.enqueuedMs;
    for (const level of queue.levels)
        if (level.first !== null)
            oldestMs = Math.min(oldestMs, level.first.record.job.enqueuedMs);
    return oldestMs + policy.maxQueueDelayMs;
}
/** Rows at which waiting for more is over: the largest preferred size, or the largest size at all. */
function fullRows(queue) {
    const { model } = queue.bucket;
    const { preferredBatchSizes } = model.model.policy;
    let largest = 1;
    for (const curve of queue.bucket.curves)
        if (curve !== undefined)
            largest = Math.max(largest, curve.maxRows);
    return preferredBatchSizes === null || preferredBatchSizes.length === 0 ? largest : Math.min(largest, Math.max(...preferredBatchSizes));
}
