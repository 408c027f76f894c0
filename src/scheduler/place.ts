/**
 * Which device the next rows of a queue go to: the one that is done with them first, now or once it is free. A device that is
 * idle but slow gets only rows that the busy faster ones would not have done sooner; GPUs win ties.
 */
import { curveOn, maxRowsOn } from './buckets.ts';
import { hasIdleSlot, hasRoom, slotOffsetMs, startsInMs } from './slots.ts';
import { stageAheadMs } from './stage.ts';
import type { DeviceSlots, LearnedCurve, Placement, SchedulerState, WaitingQueue } from './state.ts';

/** Timers have no finer step. */
export const MIN_TIMER_MS = 1;

export interface Place {
  readonly placement: Placement;
  readonly curve: LearnedCurve;
  /** Rows at the queue's front that faster devices will have done sooner. */
  readonly skipRows: number;
  /** True when the batch will wait in the host behind others. */
  readonly staged: boolean;
  /** Milliseconds from now until it would begin. */
  readonly startsInMs: number;
}

/** Where, or when to look again if nothing else happens before (Infinity: something will). */
export type Placing = { readonly place: Place } | { readonly place: null; readonly lookAgainMs: number };

interface Candidate {
  readonly placement: Placement;
  readonly curve: LearnedCurve;
  readonly rows: number;
  readonly startsInMs: number;
  readonly finishMs: number;
}

/** The queue is not empty, and its permit is free. */
export function placeQueue(state: SchedulerState, queue: WaitingQueue, nowMs: number): Placing {
  const candidates = candidatesOf(state, queue, nowMs);
  let best: Candidate | null = null;
  let lookAgainMs = Infinity;
  for (const candidate of candidates) {
    const { device } = candidate.placement;
    if (!hasRoom(device)) continue;
    if (!hasIdleSlot(device)) {
      const dryInMs = candidate.startsInMs - aheadMs(state, queue, candidate);
      if (dryInMs > 0) {
        // A moment too small to move the clock by would be looked at again forever.
        lookAgainMs = Math.min(lookAgainMs, nowMs + Math.max(MIN_TIMER_MS, dryInMs));
        continue;
      }
    }
    if (best === null || isBetter(candidate, best)) best = candidate;
  }
  if (best === null) return { place: null, lookAgainMs };
  const skipRows = candidates.length > 1 ? rowsDoneSooner(state, queue, candidates, best, nowMs) : 0;
  if (skipRows < queue.rows) {
    return { place: { placement: best.placement, curve: best.curve, skipRows, staged: !hasIdleSlot(best.placement.device), startsInMs: best.startsInMs } };
  }
  claim(state, queue, candidates, best);
  return { place: null, lookAgainMs: Math.min(lookAgainMs, waitingEndsMs(state, candidates, best, nowMs)) };
}

/** Ready devices of the queue's model with what a batch there would take. A retry uses the CPU alone where there is one. */
function candidatesOf(state: SchedulerState, queue: WaitingQueue, nowMs: number): Candidate[] {
  const { bucket } = queue;
  const { placements } = bucket.model;
  const cpuOnly = queue.alone && placements.some(({ device }) => device.kind === 'cpu' && device.ready);
  const candidates: Candidate[] = [];
  for (let i = 0; i < placements.length; i++) {
    const placement = placements[i]!;
    const { device } = placement;
    if (!device.ready || (cpuOnly && device.kind !== 'cpu')) continue;
    const curve = curveOn(state, bucket, i);
    const rows = Math.min(queue.rows, curve.bestRows, maxRowsOn(state, placement, curve, nowMs));
    const startsIn = startsInMs(device, nowMs);
    candidates.push({ placement, curve, rows, startsInMs: startsIn, finishMs: startsIn + curve.costMs[rows]! });
  }
  return candidates;
}

function aheadMs(state: SchedulerState, queue: WaitingQueue, { curve, rows }: Candidate): number {
  const { bestRows, costMs } = curve;
  return stageAheadMs({ rows: queue.rows, bestRows, rowMs: costMs[rows]! / rows, bestRowMs: costMs[bestRows]! / bestRows }, state.tuning);
}

function isBetter(a: Candidate, b: Candidate): boolean {
  if (a.finishMs !== b.finishMs) return a.finishMs < b.finishMs;
  const [first, second] = [a.placement.device, b.placement.device];
  if (first.kind !== second.kind) return first.kind === 'gpu';
  return inFlight(first) < inFlight(second);
}

function inFlight(device: DeviceSlots): number {
  return device.runningCount + device.staged.length;
}

/** Rows that other devices, free later but faster, are predicted to have done sooner than `best` would have its first batch. */
function rowsDoneSooner(state: SchedulerState, queue: WaitingQueue, candidates: readonly Candidate[], best: Candidate, nowMs: number): number {
  const untilMs = best.finishMs * (1 - state.tuning.waitGain);
  let rows = 0;
  for (const other of candidates) {
    if (other === best || other.finishMs > untilMs) continue;
    rows += batchesBy(other, untilMs, nowMs) * other.rows;
    if (rows >= queue.rows) break;
  }
  return rows;
}

/** Batches that a device's slots finish until then, after what they hold now; at least the one that its prediction promises. */
function batchesBy(other: Candidate, untilMs: number, nowMs: number): number {
  const { device } = other.placement;
  const costMs = other.curve.costMs[other.rows]!;
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
function claim(state: SchedulerState, queue: WaitingQueue, candidates: readonly Candidate[], best: Candidate): void {
  const untilMs = best.finishMs * (1 - state.tuning.waitGain);
  const faster = candidates.filter((other) => other !== best && other.finishMs <= untilMs);
  const rowsEach = queue.rows / faster.length;
  for (const { placement, curve, rows } of faster) {
    placement.device.claimedMs += (Math.ceil(rowsEach / rows) * curve.costMs[rows]!) / placement.device.running.length;
  }
}

/** When the devices that are waited for have been late for so long that the idle one is as good. */
function waitingEndsMs(state: SchedulerState, candidates: readonly Candidate[], best: Candidate, nowMs: number): number {
  const untilMs = best.finishMs * (1 - state.tuning.waitGain);
  let waitMs = Infinity;
  for (const { curve, rows, startsInMs: startsIn } of candidates) {
    const slackMs = untilMs - curve.costMs[rows]!;
    if (slackMs >= startsIn) waitMs = Math.min(waitMs, startsIn + slackMs);
  }
  return nowMs + Math.max(MIN_TIMER_MS, waitMs);
}
