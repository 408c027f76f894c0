import { SluiceError } from "../errors.js";
import { createWheel } from "./deadlines.js";
import { IndexedHeap } from "./heap.js";
import { declare, withdraw } from "./permits.js";
import { outranks } from "./queue.js";
import { reposition } from "./transitions.js";
/** A scheduler without models. Devices count as not ready until `setDeviceState` says so. */
export function createState(devices, tuning, chooseRows, nowMs) {
    return {
        tuning, chooseRows,
        devices: devices.map(({ id, kind, slots, prefetch }, index) => ({
            id, kind, prefetch, index, ready: false, gone: false, running: new Array(slots).fill(null), runningCount: 0, staged: [], claimedMs: 0,
        })),
        models: new Map(), permits: new Map(), groups: new Map(), batches: new Map(),
        deadlines: createWheel(tuning.deadlineTickMs, nowMs),
        held: new IndexedHeap((a, b) => a.heldUntilMs < b.heldUntilMs),
        queuedJobs: 0, nextSequence: 0, nextBatchId: 1, ratesVersion: 0, blocked: false, rowLimit: Infinity,
    };
}
/** Only READY devices get batches. Returns false when the device is not known or nothing changed. */
export function setDeviceState(state, id, deviceState) {
    const device = state.devices.find((known) => known.id === id);
    if (device === undefined)
        return false;
    const ready = deviceState === 'READY';
    const gone = deviceState === 'DOWN' || deviceState === 'STOPPED';
    const changed = ready !== device.ready || gone !== device.gone;
    device.ready = ready;
    device.gone = gone;
    state.ratesVersion++;
    return changed;
}
/**
 * Adds a model, or tells anew on which devices a known one serves (queues are kept). `reports`: the devices that loaded it.
 * Throws CONFIG_INVALID when its concurrency id was declared with another limit or names a device.
 */
export function addModel(state, model, reports, nowMs) {
    const known = state.models.get(model.key);
    if (known?.draining === true)
        throw new SluiceError('NOT_READY', `${model.key} is still being unloaded`);
    const permit = declare(state.permits, model.concurrency, model, state.devices.map(({ id }) => id));
    const placements = [];
    for (const device of state.devices) {
        const report = reports.get(device.id);
        if (report !== undefined)
            placements.push({ device, report, memoryCapRows: Infinity, memoryCapUntilMs: -Infinity });
    }
    const group = groupOf(state, placements, permit);
    if (known !== undefined) {
        changePlacements(state, known, placements, group, nowMs);
        return known;
    }
    const added = { model, placements, group, buckets: new Map(), queuedJobs: 0, liveJobs: 0, jobCostMs: 0, draining: false };
    group.models++;
    state.models.set(model.key, added);
    return added;
}
/** The model has no jobs left. */
export function removeModel(state, key) {
    const model = state.models.get(key);
    if (model === undefined)
        return;
    state.models.delete(key);
    withdraw(state.permits, model.group.permit, key);
    leaveGroup(state, model.group);
}
function groupOf(state, placements, permit) {
    const key = `${placements.map(({ device }) => device.index).join(',')}|${permit?.id ?? ''}`;
    const known = state.groups.get(key);
    if (known?.permit === permit)
        return known;
    const group = { key, devices: placements.map(({ device }) => device), permit, ready: new IndexedHeap(outranks), workMs: 0, entries: 0, models: 0 };
    state.groups.set(key, group);
    return group;
}
function leaveGroup(state, group) {
    group.models--;
    if (group.models === 0)
        state.groups.delete(group.key);
}
/** Curves of devices that stay are kept by measuring anew: a report that comes again is newer than what was learned. */
function changePlacements(state, model, placements, group, nowMs) {
    const old = model.group;
    for (const bucket of model.buckets.values()) {
        for (const queue of [bucket.queue, bucket.retries])
            if (old.ready.has(queue))
                old.ready.remove(queue);
        bucket.curves = [];
        bucket.ratesVersion = -1;
    }
    model.placements = placements;
    if (group !== old) {
        const workMs = model.queuedJobs === 0 ? 0 : waitingWorkMs(model);
        old.entries -= model.queuedJobs;
        old.workMs = old.entries === 0 ? 0 : old.workMs - workMs;
        group.entries += model.queuedJobs;
        group.workMs += workMs;
        group.models++;
        model.group = group;
        leaveGroup(state, old);
    }
    for (const bucket of model.buckets.values())
        for (const queue of [bucket.queue, bucket.retries])
            reposition(state, queue, nowMs);
}
function waitingWorkMs(model) {
    let workMs = 0;
    for (const { queue, retries } of model.buckets.values()) {
        for (const { levels } of [queue, retries]) {
            for (const level of levels)
                for (let entry = level.first; entry !== null; entry = entry.next)
                    workMs += entry.workMs;
        }
    }
    return workMs;
}
