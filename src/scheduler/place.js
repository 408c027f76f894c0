/**
 * Which device the next rows of a queue go to: the one that is done with them first, now or once it is free. A device that is
 * idle but slow gets only rows that the busy faster ones would not have done sooner; GPUs win ties.
 */
import { curveOn, maxRowsOn } from "./buckets.js";
import { hasIdleSlot, hasRoom, slotOffsetMs, startsInMs } from "./slots.js";
import { shouldStage } from "./stage.js";
/** Timers have no finer step. */
const MIN_TIMER_MS = 1;
/** The queue is not empty, and its permit is free. */
export function placeQueue(state, queue, nowMs) {
    const candidates = candidatesOf(state, queue, nowMs);
    let best = null;
    let lookAgainMs = Infinity;
    for (const candidate of candidates) {
        const { device } = candidate.placement;
        if (!hasRoom(device))
            continue;
        if (!hasIdleSlot(device) && !maybeStage(state, queue, candidate)) {
            // A moment too small to move the clock by would be looked at again forever.
            lookAgainMs = Math.min(lookAgainMs, nowMs + Math.max(MIN_TIMER_MS, candidate.startsInMs - state.tuning.stageLeadMs));
            continue;
        }
        if (best === null || isBetter(candidate, best))
            best = candidate;
    }
    if (best === null)
        return { place: null, lookAgainMs };
    const skipRows = candidates.length > 1 ? rowsDoneSooner(state, queue, candidates, best, nowMs) : 0;
    if (skipRows < queue.rows) {
        return { place: { placement: best.placement, curve: best.curve, skipRows, staged: !hasIdleSlot(best.placement.device) } };
    }
    claim(state, queue, candidates, best);
    return { place: null, lookAgainMs: Math.min(lookAgainMs, waitingEndsMs(state, candidates, best, nowMs)) };
}
/** Ready devices of the queue's model with what a batch there would take. A retry uses the CPU alone where there is one. */
function candidatesOf(state, queue, nowMs) {
    const { bucket } = queue;
    const { placements } = bucket.model;
    const cpuOnly = queue.alone && placements.some(({ device }) => device.kind === 'cpu' && device.ready);
    const candidates = [];
    for (let i = 0; i < placements.length; i++) {
        const placement = placements[i];
        const { device } = placement;
        if (!device.ready || (cpuOnly && device.kind !== 'cpu'))
            continue;
        const curve = curveOn(state, bucket, i);
        const rows = Math.min(queue.rows, curve.bestRows, maxRowsOn(state, placement, curve, nowMs));
        const startsIn = startsInMs(device, nowMs);
        candidates.push({ placement, curve, rows, startsInMs: startsIn, finishMs: startsIn + curve.costMs[rows] });
    }
    return candidates;
}
function maybeStage(state, queue, candidate) {
    const { curve, rows } = candidate;
    return shouldStage({
        rows: queue.rows,
        bestRows: curve.bestRows,
        rowMs: curve.costMs[rows] / rows,
        bestRowMs: curve.costMs[curve.bestRows] / curve.bestRows,
        dryInMs: candidate.startsInMs,
    }, state.tuning);
}
function isBetter(a, b) {
    if (a.finishMs !== b.finishMs)
        return a.finishMs < b.finishMs;
    const [first, second] = [a.placement.device, b.placement.device];
    if (first.kind !== second.kind)
        return first.kind === 'gpu';
    return inFlight(first) < inFlight(second);
}
function inFlight(device) {
    return device.runningCount + device.staged.length;
}
/** Rows that other devices, free later but faster, are predicted to have done sooner than `best` would have its first batch. */
function rowsDoneSooner(state, queue, candidates, best, nowMs) {
    const untilMs = best.finishMs * (1 - state.tuning.waitGain);
    let rows = 0;
    for (const other of candidates) {
        if (other === best || other.finishMs > untilMs)
            continue;
        rows += batchesBy(other, untilMs, nowMs) * other.rows;
        if (rows >= queue.rows)
            break;
    }
    return rows;
}
/** Batches that a device's slots finish until then, after what they hold now; at least the one that its prediction promises. */
function batchesBy(other, untilMs, nowMs) {
    const { device } = other.placement;
    const costMs = other.curve.costMs[other.rows];
    let freeMs = -device.staged.reduce((sum, batch) => sum + batch.predictedMs, 0);
    let batches = 0;
    for (let slot = 0; slot < device.running.length; slot++) {
        const leftMs = untilMs - slotOffsetMs(device, slot, nowMs) - device.claimedMs;
        freeMs += Math.max(0, leftMs);
        batches += Math.max(0, Math.floor(leftMs / costMs));
    }
    return Math.max(1, device.staged.length === 0 ? batches : Math.floor(freeMs / costMs));
}
/** The queue waits for faster devices: within this decision, others that look at them see them as busy for so much longer. */
function claim(state, queue, candidates, best) {
    const untilMs = best.finishMs * (1 - state.tuning.waitGain);
    const faster = candidates.filter((other) => other !== best && other.finishMs <= untilMs);
    const rowsEach = queue.rows / faster.length;
    for (const { placement, curve, rows } of faster) {
        placement.device.claimedMs += (Math.ceil(rowsEach / rows) * curve.costMs[rows]) / placement.device.running.length;
    }
}
/** When the devices that are waited for have been late for so long that the idle one is as good. */
function waitingEndsMs(state, candidates, best, nowMs) {
    const untilMs = best.finishMs * (1 - state.tuning.waitGain);
    let waitMs = Infinity;
    for (const { curve, rows, startsInMs: startsIn } of candidates) {
        const slackMs = untilMs - curve.costMs[rows];
        if (slackMs >= startsIn)
            waitMs = Math.min(waitMs, startsIn + slackMs);
    }
    return nowMs + Math.max(MIN_TIMER_MS, waitMs);
}
