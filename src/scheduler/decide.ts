/**
 * What starts now. Queues are looked at in order of priority, of what their models and callers have had, and of arrival; each goes to
 * the device that is done with it first, in the size that costs everybody least. The rule of work conservation, which test/property/scheduler checks: after a decision,
 * no idle slot of a ready device is left beside rows that could run there (model loaded, permit free, not held by model.json's
 * delay) unless busy faster devices are predicted to have all of them done sooner by `waitGain`, or no memory is left for outputs.
 */
import { curveOn, maxRowsOn } from './buckets.ts';
import { hostMs } from './costs.ts';
import { nextDueMs, takeDue } from './deadlines.ts';
import { isFree } from './permits.ts';
import { MIN_TIMER_MS, placeQueue, type Place } from './place.ts';
import { pressureOf, utilisationOf } from './pressure.ts';
import { firstEntries, firstOf } from './queue.ts';
import { hideReady, modelOutranks, showReady } from './ready.ts';
import { hasIdleSlot, hasRoom, slotOffsetsMs, startsInMs } from './slots.ts';
import type { Batch, BatchReason, Entry, Group, JobRecord, ModelState, Part, SchedulerState, WaitingQueue } from './state.ts';
import { comeOfAge, launch, reposition, takeRows, withdraw } from './transitions.ts';

export interface Decision {
  /** Already counted as in flight; in the order in which they go out. */
  readonly starts: readonly Batch[];
  /** Jobs whose deadline passed while rows of theirs waited, or can't be met any more. They have left the queue; the caller fails them. */
  readonly expired: readonly JobRecord[];
  /** When to decide again if nothing happens before; Infinity when there is no need. */
  readonly wakeAtMs: number;
}

/** Devices within this factor of the chosen one's cost share the queue with it when its size is chosen. */
const PEER_COST = 1.5;
/** More slots than this are reckoned as so many idle and busy ones, in proportion. */
const EXACT_SLOTS = 8;

export function decide(state: SchedulerState, nowMs: number): Decision {
  const expired: JobRecord[] = [];
  for (const entry of takeDue(state.deadlines, nowMs).sort(byDeadline)) expire(state, entry, nowMs, expired);
  // In the order of arrival: each goes to the end of its new level.
  for (const entry of takeDue(state.aging, nowMs).sort((a, b) => a.sequence - b.sequence)) comeOfAge(state, entry, nowMs);
  for (let queue = state.held.peek(); queue !== null && queue.heldUntilMs <= nowMs; queue = state.held.peek()) reposition(state, queue, nowMs);
  const starts: Batch[] = [];
  const lookAgainMs = state.blocked ? Infinity : startAll(state, nowMs, starts, expired);
  const wakeAtMs = Math.min(lookAgainMs, nextDueMs(state.deadlines), state.held.peek()?.heldUntilMs ?? Infinity);
  return { starts, expired, wakeAtMs };
}

function byDeadline(a: Entry, b: Entry): number {
  return a.record.job.deadlineMs - b.record.job.deadlineMs || a.sequence - b.sequence;
}

function startAll(state: SchedulerState, nowMs: number, starts: Batch[], expired: JobRecord[]): number {
  const declined: WaitingQueue[] = [];
  let lookAgainMs = Infinity;
  while (declined.length < state.tuning.maxDeclines) {
    const queue = nextQueue(state, nowMs);
    if (queue === null) {
      lookAgainMs = Math.min(lookAgainMs, stagingMs(state, nowMs));
      break;
    }
    const placing = placeQueue(state, queue, nowMs);
    if (placing.place !== null) {
      const before = queue.entries;
      const batch = start(state, queue, placing.place, nowMs, expired);
      if (batch !== null) starts.push(batch);
      // Nothing sent and nobody given up: what waits is better off waiting for a slot than behind one.
      if (queue.entries < before || batch !== null) continue;
    } else {
      lookAgainMs = Math.min(lookAgainMs, placing.lookAgainMs);
    }
    hideReady(queue);
    declined.push(queue);
  }
  // Meanwhile a job may have been given up of which they held the last rows.
  for (const queue of declined) if (queue.entries > 0) showReady(queue);
  if (declined.length > 0) for (const device of state.devices) device.claimedMs = 0;
  return lookAgainMs;
}

/** The highest-ranked queue of a group that has a permit and could send something to a device now. */
function nextQueue(state: SchedulerState, nowMs: number): WaitingQueue | null {
  let best: ModelState | null = null;
  for (const group of state.groups.values()) {
    const model = group.ready.peek();
    if (model === null || (best !== null && !modelOutranks(model, best)) || sendsInMs(state, group, nowMs) > 0) continue;
    best = model;
  }
  return best?.ready.peek() ?? null;
}

/** Milliseconds until any batch could go to a device of the group; 0 for now. Asked once for all of its queues. */
function sendsInMs(state: SchedulerState, { permit, devices }: Group, nowMs: number): number {
  let soonestMs = Infinity;
  if (!isFree(permit)) return soonestMs;
  for (const device of devices) {
    if (hasIdleSlot(device)) return 0;
    if (hasRoom(device)) soonestMs = Math.min(soonestMs, startsInMs(device, nowMs) - state.tuning.stageAheadMs);
    if (soonestMs <= 0) return 0;
  }
  return soonestMs;
}

/** When a device that queues wait for is near enough to its end for a batch to be staged. */
function stagingMs(state: SchedulerState, nowMs: number): number {
  let soonestMs = Infinity;
  for (const group of state.groups.values()) if (group.ready.size > 0) soonestMs = Math.min(soonestMs, sendsInMs(state, group, nowMs));
  return nowMs + Math.max(MIN_TIMER_MS, soonestMs);
}

/** True when a queue of the group could start something, now or soon: its permit is free and a ready device has room. */
export function canStart(group: Group): boolean {
  if (!isFree(group.permit)) return false;
  for (const device of group.devices) if (hasRoom(device)) return true;
  return false;
}

function start(state: SchedulerState, queue: WaitingQueue, place: Place, nowMs: number, expired: JobRecord[]): Batch | null {
  const { placement, curve, skipRows } = place;
  const { bucket } = queue;
  const { group } = bucket.model;
  const waiting = queue.rows - skipRows;
  const maxRows = maxRowsOn(state, placement, curve, nowMs);
  const { preferredBatchSizes } = bucket.model.model.policy;
  // Beyond the best size a row costs no less: the queue may be done a little sooner, but most of its rows would wait longer.
  const worthRows = preferredBatchSizes === null ? Math.min(maxRows, curve.bestRows) : maxRows;
  const utilisation = utilisationOf(group.shares, nowMs, state.tuning);
  const wanted = state.chooseRows({ ...slotShare(state, queue, place, waiting, nowMs), maxRows: worthRows, curve, preferredSizes: preferredBatchSizes, enlargeGain: state.tuning.enlargeGain, pressure: pressureOf(utilisation) });
  const inTime = skipRows > 0 ? wanted : rowsInTime(state, queue, place, Math.min(wanted, waiting), utilisation, nowMs, expired);
  const parts = take(state, queue, skipRows, Math.min(inTime, queue.rows - skipRows), place, nowMs, expired);
  reposition(state, queue, nowMs);
  if (parts.length === 0) return null;
  let rows = 0;
  for (const part of parts) rows += part.rows;
  const batch: Batch = {
    id: state.nextBatchId++, bucket, device: placement.device, placement, curve, permit: group.permit, parts, rows,
    paddedRows: curve.padded[rows]!, predictedMs: hostMs(curve, rows), expectedEndMs: Infinity, slot: -1,
    reason: inTime < Math.min(wanted, waiting) ? 'deadline' : reasonOf(queue, rows, maxRows),
  };
  launch(state, batch, nowMs);
  return batch;
}

/** The slots that share what waits, and how many rows fall to them; see SizeQuery. */
function slotShare(state: SchedulerState, queue: WaitingQueue, place: Place, waiting: number, nowMs: number): { readonly rows: number; readonly slotOffsetsMs: readonly number[] } {
  const { group, placements } = queue.bucket.model;
  const { device } = place.placement;
  const peers = [device];
  let slots = device.running.length;
  let idle = slots - device.runningCount;
  for (let i = 0; i < placements.length; i++) {
    const other = placements[i]!.device;
    if (other === device || !other.ready || curveOn(state, queue.bucket, i).costMs[1]! > place.curve.costMs[1]! * PEER_COST) continue;
    peers.push(other);
    slots += other.running.length;
    idle += other.running.length - other.runningCount;
  }
  const offsets: number[] = [];
  if (slots <= EXACT_SLOTS) {
    const own: number[] = [];
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
  for (let i = 0; i < reckoned; i++) offsets.push(i < idleReckoned ? 0 : costMs[bestRows]! / 2);
  return { rows: Math.max(1, Math.ceil((waiting * reckoned) / usable)), slotOffsetsMs: offsets };
}

/**
 * Rows of a batch that ends before the first job's deadline: fewer than wanted where that costs little, and the job leaves the
 * queue where it can't be answered in time, or only by a batch so small that those behind it would pay for it.
 */
function rowsInTime(state: SchedulerState, queue: WaitingQueue, place: Place, wanted: number, utilisation: number, nowMs: number, expired: JobRecord[]): number {
  const { curve, startsInMs } = place;
  // The busier the devices, the more a small batch costs those behind.
  const rescueShare = (1 + utilisation) / 2;
  for (let first = firstOf(queue); first !== null; first = firstOf(queue)) {
    const leftMs = first.record.job.deadlineMs - nowMs - startsInMs;
    const size = Math.min(wanted, queue.rows);
    let rows = size;
    while (rows > 0 && hostMs(curve, rows) * state.tuning.deadlineMargin > leftMs) rows--;
    // The last one is tried whatever is predicted: it costs nobody anything, and shows whether the prediction is right.
    if (rows === size || queue.entries === 1 || first.record.running > 0) return size;
    // Part of a job in time is nothing: the rest of it would be late.
    if (rows >= first.rows && rows / curve.costMs[rows]! >= (rescueShare * size) / curve.costMs[size]!) return rows;
    // Behind others it would be late, but a slot that comes free may still take it in time: unless those are as good as never free.
    if (place.staged && utilisation < state.tuning.crowdedUtilisation && hostMs(curve, 1) * state.tuning.deadlineMargin <= leftMs + startsInMs) return 0;
    expire(state, first, nowMs, expired);
  }
  return 0;
}

/**
 * Takes up to `wanted` rows, whole jobs where they fit. The job that does not fit is split when stopping short would cost more
 * per row. Entries past their deadline leave the queue on the way.
 */
function take(state: SchedulerState, queue: WaitingQueue, skipRows: number, wanted: number, place: Place, nowMs: number, expired: JobRecord[]): Part[] {
  const { costMs } = place.curve;
  const parts: Part[] = [];
  let rows = 0;
  for (const entry of entriesAfter(queue, skipRows, wanted)) {
    if (rows === wanted) break;
    if (entry.record.job.deadlineMs <= nowMs) {
      expire(state, entry, nowMs, expired);
      continue;
    }
    const left = wanted - rows;
    const fits = entry.rows <= left;
    if (!fits && rows > 0 && costMs[rows]! / rows <= (costMs[wanted]! / wanted) * (1 + state.tuning.enlargeGain)) break;
    const taken = fits ? entry.rows : left;
    parts.push(takeRows(state, entry, taken));
    rows += taken;
    if (queue.alone) break;
  }
  return parts;
}

/** Entries to take from, when each that is handed over leaves the queue before the next is asked for. */
function* entriesAfter(queue: WaitingQueue, skipRows: number, wanted: number): Generator<Entry> {
  if (skipRows === 0) {
    for (let entry = firstOf(queue); entry !== null; entry = firstOf(queue)) yield entry;
    return;
  }
  let skipped = 0;
  const entries = firstEntries(queue, skipRows + wanted);
  for (const [index, entry] of entries.entries()) {
    if (index < entries.length - 1 && skipped + entry.rows <= skipRows) skipped += entry.rows;
    else yield entry;
  }
}

/** The job is given up: whatever of it waits leaves the queue. */
function expire(state: SchedulerState, { record }: Entry, nowMs: number, expired: JobRecord[]): void {
  while (record.waiting.length > 0) withdraw(state, record.waiting[0]!, nowMs);
  if (record.expired) return;
  record.expired = true;
  expired.push(record);
}

function reasonOf(queue: WaitingQueue, rows: number, maxRows: number): BatchReason {
  const { policy } = queue.bucket.model.model;
  if (queue.alone) return 'alone';
  if (policy.preferredBatchSizes?.includes(rows) === true) return 'preferred';
  if (rows >= maxRows && maxRows > 1) return 'full';
  if (policy.maxQueueDelayMs !== null && policy.maxQueueDelayMs > 0) return 'delay';
  return queue.rows === 0 ? 'drained' : 'cheapest';
}

