/** Room for one more batch, running or staged. */
export function hasRoom(device) {
    return device.ready && device.runningCount + device.staged.length < device.running.length + device.prefetch;
}
export function hasIdleSlot(device) {
    return device.ready && device.runningCount < device.running.length;
}
/** Puts the batch into an idle slot, or behind the running ones. */
export function occupy(batch, nowMs) {
    const { device } = batch;
    const slot = device.running.indexOf(null);
    if (slot === -1)
        device.staged.push(batch);
    else
        run(batch, slot, nowMs);
}
/** The host says that it began the batch. It may know better than we in which order. */
export function began(batch, startedMs) {
    if (batch.slot !== -1)
        batch.expectedEndMs = startedMs + batch.predictedMs;
}
/** Takes the batch out; the first staged one moves up. */
export function vacate(batch, nowMs) {
    const { device } = batch;
    if (batch.slot === -1) {
        device.staged.splice(device.staged.indexOf(batch), 1);
        return;
    }
    device.running[batch.slot] = null;
    device.runningCount--;
    const next = device.staged.shift();
    if (next !== undefined)
        run(next, batch.slot, nowMs);
    batch.slot = -1;
}
/**
 * Milliseconds from now until slot i is free of its running batch. A batch that is late is expected to be late for as long
 * again: otherwise others would wait for it forever, each time "only a moment".
 */
export function slotOffsetMs(device, slot, nowMs) {
    const batch = device.running[slot] ?? null;
    return batch === null ? 0 : Math.abs(batch.expectedEndMs - nowMs);
}
/** Milliseconds from now until each slot is free of running and staged batches, ascending, into `out`. */
export function slotOffsetsMs(device, nowMs, out) {
    out.length = 0;
    for (let slot = 0; slot < device.running.length; slot++)
        out.push(slotOffsetMs(device, slot, nowMs) + device.claimedMs);
    for (const batch of device.staged) {
        let first = 0;
        for (let i = 1; i < out.length; i++)
            if (out[i] < out[first])
                first = i;
        out[first] += batch.predictedMs;
    }
    if (out.length > 1)
        out.sort(ascending);
}
/** Milliseconds from now until a batch that is sent now would begin. */
export function startsInMs(device, nowMs) {
    if (device.staged.length > 0) {
        slotOffsetsMs(device, nowMs, scratch);
        return scratch[0];
    }
    if (device.runningCount < device.running.length)
        return device.claimedMs;
    let first = Infinity;
    for (let slot = 0; slot < device.running.length; slot++)
        first = Math.min(first, slotOffsetMs(device, slot, nowMs));
    return first + device.claimedMs;
}
const scratch = [];
function run(batch, slot, nowMs) {
    batch.slot = slot;
    batch.expectedEndMs = nowMs + batch.predictedMs;
    batch.device.running[slot] = batch;
    batch.device.runningCount++;
}
function ascending(a, b) {
    return a - b;
}
