/**
 * What starts now. Queues are looked at in order of priority and arrival; each goes to the device that is done with it first,
 * in the size that finishes it soonest. The rule of work conservation, which test/property/scheduler checks: after a decision,
 * no idle slot of a ready device is left beside rows that could run there (model loaded, permit free, not held by model.json's
 * delay) unless busy faster devices are predicted to have all of them done sooner by `waitGain`, or no memory is left for outputs.
 */
import { curveOn, maxRowsOn } from "./buckets.js";
import { hostMs } from "./costs.js";
import { nextDueMs, takeDue } from "./deadlines.js";
import { isFree } from "./permits.js";
import { placeQueue } from "./place.js";
import { firstOf, following, outranks } from "./queue.js";
import { hasRoom, slotOffsetsMs } from "./slots.js";
import { launch, reposition, takeRows, withdraw } from "./transitions.js";
/** Devices within this factor of the chosen one's cost share the queue with it when its size is chosen. */
const PEER_COST = 1.5;
/** More slots than this are reckoned as so many idle and busy ones, in proportion. */
const EXACT_SLOTS = 8;
export function decide(state, nowMs) {
    const expired = [];
    for (const entry of takeDue(state.deadlines, nowMs))
        expire(state, entry, nowMs, expired);
    for (let queue = state.held.peek(); queue !== null && queue.heldUntilMs <= nowMs; queue = state.held.peek())
        reposition(state, queue, nowMs);
    const starts = [];
    const lookAgainMs = state.blocked ? Infinity : startAll(state, nowMs, starts, expired);
    const wakeAtMs = Math.min(lookAgainMs, nextDueMs(state.deadlines), state.held.peek()?.heldUntilMs ?? Infinity);
    return { starts, expired, wakeAtMs };
}
function startAll(state, nowMs, starts, expired) {
    const declined = [];
    let lookAgainMs = Infinity;
    while (declined.length < state.tuning.maxDeclines) {
        const queue = nextQueue(state);
        if (queue === null)
            break;
        const placing = placeQueue(state, queue, nowMs);
        if (placing.place !== null) {
            const batch = start(state, queue, placing.place, nowMs, expired);
            if (batch !== null)
                starts.push(batch);
            continue;
        }
        lookAgainMs = Math.min(lookAgainMs, placing.lookAgainMs);
        queue.bucket.model.group.ready.remove(queue);
        declined.push(queue);
    }
    for (const queue of declined)
        queue.bucket.model.group.ready.push(queue);
    if (declined.length > 0)
        for (const device of state.devices)
            device.claimedMs = 0;
    return lookAgainMs;
}
/** The highest-ranked queue of a group that has a permit and room on a device. */
function nextQueue(state) {
    let best = null;
    for (const group of state.groups.values()) {
        const queue = group.ready.peek();
        if (queue === null || (best !== null && !outranks(queue, best)) || !canStart(group))
            continue;
        best = queue;
    }
    return best;
}
/** True when a queue of the group could start something: its permit is free and a ready device has room. */
export function canStart(group) {
    if (!isFree(group.permit))
        return false;
    for (const device of group.devices)
        if (hasRoom(device))
            return true;
    return false;
}
function start(state, queue, place, nowMs, expired) {
    const { placement, curve, skipRows } = place;
    const { bucket } = queue;
    const { group } = bucket.model;
    const waiting = queue.rows - skipRows;
    const maxRows = maxRowsOn(state, placement, curve, nowMs);
    const { preferredBatchSizes } = bucket.model.model.policy;
    // Beyond the best size a row costs no less: the queue may be done a little sooner, but most of its rows would wait longer.
    const worthRows = preferredBatchSizes === null ? Math.min(maxRows, curve.bestRows) : maxRows;
    const wanted = state.chooseRows({ ...slotShare(state, queue, place, waiting, nowMs), maxRows: worthRows, curve, preferredSizes: preferredBatchSizes, enlargeGain: state.tuning.enlargeGain });
    const parts = take(state, queue, skipRows, Math.min(wanted, waiting), place, nowMs, expired);
    reposition(state, queue, nowMs);
    if (parts.length === 0)
        return null;
    let rows = 0;
    for (const part of parts)
        rows += part.rows;
    const batch = {
        id: state.nextBatchId++, bucket, device: placement.device, placement, curve, permit: group.permit, parts, rows,
        paddedRows: curve.padded[rows], predictedMs: hostMs(curve, rows), expectedEndMs: Infinity, slot: -1,
        reason: reasonOf(queue, rows, maxRows),
    };
    launch(state, batch, nowMs);
    return batch;
}
/** The slots that share what waits, and how many rows fall to them; see SizeQuery. */
function slotShare(state, queue, place, waiting, nowMs) {
    const { group, placements } = queue.bucket.model;
    const { device } = place.placement;
    const peers = [device];
    let slots = device.running.length;
    let idle = slots - device.runningCount;
    for (let i = 0; i < placements.length; i++) {
        const other = placements[i].device;
        if (other === device || !other.ready || curveOn(state, queue.bucket, i).costMs[1] > place.curve.costMs[1] * PEER_COST)
            continue;
        peers.push(other);
        slots += other.running.length;
        idle += other.running.length - other.runningCount;
    }
    const offsets = [];
    if (slots <= EXACT_SLOTS) {
        const own = [];
        for (const peer of peers) {
            slotOffsetsMs(peer, nowMs, own);
            offsets.push(...own);
        }
        // The chosen device's slots stay first: the batch gets one of them.
        offsets.splice(group.permit?.limit ?? Infinity);
        return { rows: waiting, slotOffsetsMs: offsets };
    }
    const usable = Math.min(slots, group.permit?.limit ?? Infinity);
    const reckoned = Math.min(EXACT_SLOTS, usable);
    const idleReckoned = place.staged ? 0 : Math.max(1, Math.round((reckoned * Math.min(idle, usable)) / usable));
    const { bestRows, costMs } = place.curve;
    // A busy slot is halfway through its batch on average.
    for (let i = 0; i < reckoned; i++)
        offsets.push(i < idleReckoned ? 0 : costMs[bestRows] / 2);
    return { rows: Math.max(1, Math.ceil((waiting * reckoned) / usable)), slotOffsetsMs: offsets };
}
/**
 * Takes up to `wanted` rows, whole jobs where they fit. The job that does not fit is split when stopping short would cost more
 * per row. Entries past their deadline leave the queue on the way.
 */
function take(state, queue, skipRows, wanted, place, nowMs, expired) {
    const { costMs } = place.curve;
    const parts = [];
    let skipped = 0;
    let rows = 0;
    let entry = firstOf(queue);
    while (entry !== null && rows < wanted) {
        const next = following(queue, entry);
        if (entry.record.job.deadlineMs <= nowMs) {
            expire(state, entry, nowMs, expired);
        }
        else if (next !== null && skipped + entry.rows <= skipRows) {
            skipped += entry.rows;
        }
        else {
            const left = wanted - rows;
            const fits = entry.rows <= left;
            if (!fits && rows > 0 && costMs[rows] / rows <= (costMs[wanted] / wanted) * (1 + state.tuning.enlargeGain))
                break;
            const taken = fits ? entry.rows : left;
            parts.push(takeRows(state, entry, taken));
            rows += taken;
            if (queue.alone)
                break;
        }
        entry = next;
    }
    return parts;
}
function expire(state, entry, nowMs, expired) {
    withdraw(state, entry, nowMs);
    if (entry.record.expired)
        return;
    entry.record.expired = true;
    expired.push(entry.record);
}
function reasonOf(queue, rows, maxRows) {
    const { policy } = queue.bucket.model.model;
    if (queue.alone)
        return 'alone';
    if (policy.preferredBatchSizes?.includes(rows) === true)
        return 'preferred';
    if (rows >= maxRows && maxRows > 1)
        return 'full';
    if (policy.maxQueueDelayMs !== null && policy.maxQueueDelayMs > 0)
        return 'delay';
    return queue.rows === 0 ? 'drained' : 'cheapest';
}
