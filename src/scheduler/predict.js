import { firstOf, following } from "./queue.js";
import { startsInMs } from "./slots.js";
/** What a job that comes now would find before it. Constant in the number of jobs. */
export function backlogOf(model, nowMs) {
    return { queuedJobs: model.queuedJobs, activeJobs: model.liveJobs, waitMs: firstStartMs(model.group, nowMs) + model.group.workMs, jobCostMs: model.jobCostMs };
}
/** Place among the model's waiting jobs; null once none of its rows wait. Walks the queues of its group: only when asked. */
export function positionOf(state, record, nowMs) {
    const [entry] = record.waiting;
    if (entry === undefined)
        return null;
    const { model } = record.bucket;
    let position = 0;
    let aheadMs = 0;
    for (const other of state.models.values()) {
        if (other.group !== model.group || other.queuedJobs === 0)
            continue;
        for (const { queue, retries } of other.buckets.values()) {
            for (const waiting of [queue, retries]) {
                const ahead = aheadOf(waiting, entry);
                aheadMs += ahead.workMs;
                if (other === model)
                    position += ahead.jobs;
            }
        }
    }
    const anyReady = model.group.devices.some((device) => device.ready);
    return { position, queueSize: model.queuedJobs, etaMs: anyReady ? firstStartMs(model.group, nowMs) + aheadMs : null };
}
/** Milliseconds until the first slot of the group's devices is free of what is in flight; 0 while none is ready. */
function firstStartMs(group, nowMs) {
    let firstMs = Infinity;
    for (const device of group.devices)
        if (device.ready)
            firstMs = Math.min(firstMs, startsInMs(device, nowMs));
    return firstMs === Infinity ? 0 : firstMs;
}
function aheadOf(queue, entry) {
    let jobs = 0;
    let workMs = 0;
    for (let other = firstOf(queue); other !== null && goesBefore(other, entry); other = following(queue, other)) {
        jobs++;
        workMs += other.workMs;
    }
    return { jobs, workMs };
}
function goesBefore(a, b) {
    const difference = a.record.job.priority - b.record.job.priority;
    return difference !== 0 ? difference < 0 : a.sequence < b.sequence;
}
