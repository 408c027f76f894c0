/**
 * A device's slots as the front sees them: which batch is thought to run where, what is staged behind, and when a slot is free.
 * The host takes staged batches in order as slots come free; this follows it.
 */
import type { Batch, DeviceSlots } from './state.ts';

/** Room for one more batch, running or staged. */
export function hasRoom(device: DeviceSlots): boolean {
  return device.ready && device.runningCount + device.staged.length < device.running.length + device.prefetch;
}

export function hasIdleSlot(device: DeviceSlots): boolean {
  return device.ready && device.runningCount < device.running.length;
}

/** Puts the batch into an idle slot, or behind the running ones. */
export function occupy(batch: Batch, nowMs: number): void {
  const { device } = batch;
  device.startsAtMs = NaN;
  const slot = device.running.indexOf(null);
  if (slot === -1) device.staged.push(batch);
  else run(batch, slot, nowMs);
}

/** The host says that it began the batch. It may know better than we in which order. */
export function began(batch: Batch, startedMs: number): void {
  if (batch.slot === -1) return;
  batch.expectedEndMs = startedMs + batch.predictedMs;
  batch.device.startsAtMs = NaN;
}

/** Takes the batch out; the first staged one moves up. */
export function vacate(batch: Batch, nowMs: number): void {
  const { device } = batch;
  device.startsAtMs = NaN;
  if (batch.slot === -1) {
    device.staged.splice(device.staged.indexOf(batch), 1);
    return;
  }
  device.running[batch.slot] = null;
  device.runningCount--;
  const next = device.staged.shift();
  if (next !== undefined) run(next, batch.slot, nowMs);
  batch.slot = -1;
}

/**
 * Milliseconds from now until slot i is free of its running batch. A batch that is late is expected to be late for as long
 * again: otherwise others would wait for it forever, each time "only a moment".
 */
export function slotOffsetMs(device: DeviceSlots, slot: number, nowMs: number): number {
  const batch = device.running[slot] ?? null;
  return batch === null ? 0 : Math.abs(batch.expectedEndMs - nowMs);
}

/** Milliseconds from now until each slot is free of running and staged batches, ascending, into `out`. */
export function slotOffsetsMs(device: DeviceSlots, nowMs: number, out: number[]): void {
  const slots = fillFreeMs(device, nowMs);
  out.length = 0;
  for (let slot = 0; slot < slots; slot++) out.push(freeMs[slot]! + device.claimedMs);
  if (slots > 1) out.sort(ascending);
}

/** Milliseconds from now until a batch that is sent now would begin. Remembered until the slots change, or time goes on: a decision asks often. */
export function startsInMs(device: DeviceSlots, nowMs: number): number {
  if (device.startsAtMs !== nowMs) {
    device.startsMs = firstFreeMs(device, nowMs);
    device.startsAtMs = nowMs;
  }
  return device.startsMs + device.claimedMs;
}

function firstFreeMs(device: DeviceSlots, nowMs: number): number {
  if (device.runningCount < device.running.length) return 0;
  const slots = fillFreeMs(device, nowMs);
  let first = freeMs[0]!;
  for (let slot = 1; slot < slots; slot++) if (freeMs[slot]! < first) first = freeMs[slot]!;
  return first;
}

let freeMs = new Float64Array(16);

/** When each slot is free, staged batches put one by one on the one that is free first. Returns the number of slots. */
function fillFreeMs(device: DeviceSlots, nowMs: number): number {
  const slots = device.running.length;
  if (freeMs.length < slots) freeMs = new Float64Array(2 * slots);
  for (let slot = 0; slot < slots; slot++) freeMs[slot] = slotOffsetMs(device, slot, nowMs);
  for (const batch of device.staged) {
    let first = 0;
    for (let slot = 1; slot < slots; slot++) if (freeMs[slot]! < freeMs[first]!) first = slot;
    freeMs[first]! += batch.predictedMs;
  }
  return slots;
}

function run(batch: Batch, slot: number, nowMs: number): void {
  batch.slot = slot;
  batch.expectedEndMs = nowMs + batch.predictedMs;
  batch.device.running[slot] = batch;
  batch.device.runningCount++;
}

function ascending(a: number, b: number): number {
  return a - b;
}
