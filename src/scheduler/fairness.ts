/**
 * Who goes next: shares of device time, by start-time fair queueing (P. Goyal, H. Vin, H. Cheng: "Start-time Fair Queueing",
 * SIGCOMM 1996). Everybody has a tag, the milliseconds of device time that they have had; whoever has had least goes first.
 * Who was away starts where those who stayed are now: time that was not used is not saved up. Tags are of two kinds: of a
 * model's callers among themselves, and of the models that run on the same devices.
 * Models are told apart by whole steps of MODEL_STEP_MS only: to alternate more often would cut batches that pay.
 *
 * Only work that is taken counts, so that a caller who cancels a thousand requests pays for none of them.
 */
import type { CallerShare, CallerShares, ModelShares } from './state.ts';

const FIRST_SWEEP = 1024;
/** A batch or two of a slow model, tens of a fast one. */
export const MODEL_STEP_MS = 20;

export function createCallerShares(): CallerShares {
  return { virtualMs: 0, known: new Map(), sweepAt: FIRST_SWEEP, active: 0 };
}

/** Where a caller stands of whom something is about to wait. */
export function shareOf(shares: CallerShares, caller: string): CallerShare {
  const { known, virtualMs } = shares;
  const found = known.get(caller);
  if (found !== undefined) {
    if (found.flows.size === 0) found.tag = Math.max(found.tag, virtualMs);
    return found;
  }
  const share: CallerShare = { caller, tag: virtualMs, entries: 0, workMs: 0, flows: new Set() };
  known.set(caller, share);
  if (known.size >= shares.sweepAt) sweep(shares, share);
  return share;
}

/** A caller's turn took `workMs`. */
export function chargeCaller(shares: CallerShares, share: CallerShare, workMs: number): void {
  shares.virtualMs = Math.max(shares.virtualMs, share.tag);
  share.tag += workMs;
}

/** A caller has had nothing for its turn: it is as good as first. */
export function refundCaller(shares: CallerShares, share: CallerShare): void {
  share.tag = Math.min(share.tag, shares.virtualMs);
}

/** What a caller has waiting changed. */
export function accountCaller(shares: CallerShares, share: CallerShare, entries: number, workMs: number): void {
  if (share.entries === 0) shares.active++;
  share.entries += entries;
  share.workMs += workMs;
  if (share.entries > 0) return;
  shares.active--;
  share.workMs = 0;
}

/** Milliseconds of the callers' work that goes before a new request of this one: all of it at most, and everybody's turn for each of its own. */
export function aheadOfCaller({ known, active }: CallerShares, caller: string, workMs: number, requestMs: number): number {
  const own = known.get(caller);
  const ownMs = own?.workMs ?? 0;
  const others = active - (own === undefined || own.entries === 0 ? 0 : 1);
  return Math.min(workMs, ownMs + others * (ownMs + requestMs));
}

/** Amortised constant: it runs again when twice as many are known. */
function sweep(shares: CallerShares, newest: CallerShare): void {
  // What one of them was ahead by is one turn at most.
  for (const [caller, share] of shares.known) if (share !== newest && share.flows.size === 0) shares.known.delete(caller);
  shares.sweepAt = Math.max(FIRST_SWEEP, 2 * shares.known.size);
}

/** A model's turn took `workMs`. Returns its new tag. Who comes back starts with the step, not behind all that it has seen. */
export function chargeModel(shares: ModelShares, tag: number, workMs: number): number {
  shares.virtualMs = Math.max(shares.virtualMs, modelStep(tag) * MODEL_STEP_MS);
  return tag + workMs;
}

/** Which models of a step go first; equal ones go by arrival. */
export function modelStep(tag: number): number {
  return Math.floor(tag / MODEL_STEP_MS);
}
