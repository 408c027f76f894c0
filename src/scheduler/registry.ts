/** Devices and models that the scheduler knows: added, changed, removed. */
import type { SizeQuery } from '../contracts/batching.ts';
import type { DeviceId, DeviceState } from '../contracts/device.ts';
import type { LoadReport, ModelKey, ServingModel } from '../contracts/model.ts';
import { SluiceError } from '../errors.ts';
import { createWheel } from './deadlines.ts';
import { createCallerShares } from './fairness.ts';
import { IndexedHeap } from './heap.ts';
import { declare, withdraw } from './permits.ts';
import { outranks } from './queue.ts';
import { modelOutranks } from './ready.ts';
import type { DeviceSlots, Group, ModelState, Permit, Placement, SchedulerState, WaitingQueue } from './state.ts';
import { reposition } from './transitions.ts';
import type { Tuning } from './tuning.ts';

export interface DeviceFacts {
  readonly id: DeviceId;
  readonly kind: 'cpu' | 'gpu';
  readonly slots: number;
  readonly prefetch: number;
}

/** A scheduler without models. Devices count as not ready until `setDeviceState` says so. */
export function createState(devices: readonly DeviceFacts[], tuning: Tuning, chooseRows: (query: SizeQuery) => number, nowMs: number): SchedulerState {
  return {
    tuning, chooseRows,
    devices: devices.map(({ id, kind, slots, prefetch }, index): DeviceSlots => ({
      id, kind, prefetch, index, ready: false, gone: false, running: new Array<null>(slots).fill(null), runningCount: 0, staged: [], startsMs: 0, startsAtMs: NaN, claimedMs: 0,
    })),
    models: new Map(), permits: new Map(), groups: new Map(), shares: new Map(), batches: new Map(),
    deadlines: createWheel(tuning.deadlineTickMs, nowMs),
    aging: createWheel(tuning.deadlineTickMs, nowMs),
    held: new IndexedHeap<WaitingQueue>((a, b) => a.heldUntilMs < b.heldUntilMs),
    queuedJobs: 0, nextSequence: 0, nextBatchId: 1, ratesVersion: 0, blocked: false, rowLimit: Infinity,
  };
}

/** Only READY devices get batches. Returns false when the device is not known or nothing changed. */
export function setDeviceState(state: SchedulerState, id: DeviceId, deviceState: DeviceState): boolean {
  const device = state.devices.find((known) => known.id === id);
  if (device === undefined) return false;
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
export function addModel(state: SchedulerState, model: ServingModel, reports: ReadonlyMap<DeviceId, LoadReport>, nowMs: number): ModelState {
  const known = state.models.get(model.key);
  if (known?.draining === true) throw new SluiceError('NOT_READY', `${model.key} is still being unloaded`);
  const permit = declare(state.permits, model.concurrency, model, state.devices.map(({ id }) => id));
  const placements: Placement[] = [];
  for (const device of state.devices) {
    const report = reports.get(device.id);
    if (report !== undefined) placements.push({ device, report, memoryCapRows: Infinity, memoryCapUntilMs: -Infinity });
  }
  const group = groupOf(state, placements, permit);
  if (known !== undefined) {
    changePlacements(state, known, placements, group, nowMs);
    return known;
  }
  const added: ModelState = {
    model, placements, group, buckets: new Map(), ready: new IndexedHeap(outranks), heapIndex: -1, tag: 0, callers: createCallerShares(),
    workMs: 0, queuedJobs: 0, liveJobs: 0, jobCostMs: 0, serviceMs: 0, draining: false,
  };
  group.models++;
  state.models.set(model.key, added);
  return added;
}

/** The model has no jobs left. */
export function removeModel(state: SchedulerState, key: ModelKey): void {
  const model = state.models.get(key);
  if (model === undefined) return;
  state.models.delete(key);
  withdraw(state.permits, model.group.permit, key);
  leaveGroup(state, model.group);
}

function groupOf(state: SchedulerState, placements: readonly Placement[], permit: Permit | null): Group {
  const devices = placements.map(({ device }) => device.index).join(',');
  const key = `${devices}|${permit?.id ?? ''}`;
  const known = state.groups.get(key);
  if (known?.permit === permit) return known;
  const shares = state.shares.get(devices) ?? { virtualMs: 0, utilisation: 0, seenMs: -Infinity, firstMs: -Infinity };
  state.shares.set(devices, shares);
  const group: Group = { key, devices: placements.map(({ device }) => device), permit, ready: new IndexedHeap(modelOutranks), shares, workMs: 0, entries: 0, models: 0 };
  state.groups.set(key, group);
  return group;
}

function leaveGroup(state: SchedulerState, group: Group): void {
  group.models--;
  if (group.models > 0) return;
  state.groups.delete(group.key);
  for (const other of state.groups.values()) if (other.shares === group.shares) return;
  for (const [devices, shares] of state.shares) if (shares === group.shares) state.shares.delete(devices);
}

/** Curves of devices that stay are kept by measuring anew: a report that comes again is newer than what was learned. */
function changePlacements(state: SchedulerState, model: ModelState, placements: readonly Placement[], group: Group, nowMs: number): void {
  const old = model.group;
  if (old.ready.has(model)) old.ready.remove(model);
  for (const bucket of model.buckets.values()) {
    for (const queue of [bucket.queue, bucket.retries]) if (model.ready.has(queue)) model.ready.remove(queue);
    bucket.curves = [];
    bucket.ratesVersion = -1;
  }
  model.placements = placements;
  if (group !== old) {
    old.entries -= model.queuedJobs;
    old.workMs = old.entries === 0 ? 0 : old.workMs - model.workMs;
    group.entries += model.queuedJobs;
    group.workMs += model.workMs;
    group.models++;
    // What it has had of other devices is not counted here.
    if (group.shares !== old.shares) model.tag = group.shares.virtualMs;
    model.group = group;
    leaveGroup(state, old);
  }
  for (const bucket of model.buckets.values()) for (const queue of [bucket.queue, bucket.retries]) reposition(state, queue, nowMs);
}
