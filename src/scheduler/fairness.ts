/**
 * Who goes next: shares of device time, by start-time fair queueing (P. Goyal, H. Vin, H. Cheng: "Start-time Fair Queueing",
 * SIGCOMM 1996). Everybody has a tag, the milliseconds of device time that they have had; whoever has had least goes first.
 * Who was away starts where those who stayed are now: time that was not used is not saved up. Tags are of two kinds: of a
 * model's callers among themselves, and of the models that run on the same devices.
 *
 * Only work that is taken counts, so that a caller who cancels a thousand requests pays for none of them.
 */

/** Callers of one model. */
export interface CallerShares {
  /** Tag of the last turn. */
  virtualMs: number;
  /** Where each caller stands; those who are not ahead of `virtualMs` are forgotten sooner or later. */
  readonly hadMs: Map<string, number>;
  sweepAt: number;
  /** What each caller has waiting; only those who have something. */
  readonly waiting: Map<string, { workMs: number; entries: number }>;
}

/** Models on the same devices. */
export interface ModelShares {
  virtualMs: number;
  /** Work that arrives over time that passes, smoothed, as it was at `seenMs`; see pressure.ts. */
  utilisation: number;
  seenMs: number;
}

const FIRST_SWEEP = 1024;

export function createCallerShares(): CallerShares {
  return { virtualMs: 0, hadMs: new Map(), sweepAt: FIRST_SWEEP, waiting: new Map() };
}

/** Where a caller stands whose first entry joins a queue. */
export function callerTag({ virtualMs, hadMs }: CallerShares, caller: string): number {
  return Math.max(virtualMs, hadMs.get(caller) ?? 0);
}

/** A caller's turn, at `tag`, took `workMs`. Returns its new tag. */
export function chargeCaller(shares: CallerShares, caller: string, tag: number, workMs: number): number {
  const { hadMs } = shares;
  shares.virtualMs = Math.max(shares.virtualMs, tag);
  const had = Math.max(tag, hadMs.get(caller) ?? 0) + workMs;
  hadMs.set(caller, had);
  if (hadMs.size >= shares.sweepAt) sweep(shares);
  return had;
}

/** Amortised constant: it runs again when twice as many are known. */
function sweep(shares: CallerShares): void {
  for (const [caller, had] of shares.hadMs) if (had <= shares.virtualMs) shares.hadMs.delete(caller);
  shares.sweepAt = Math.max(FIRST_SWEEP, 2 * shares.hadMs.size);
}

/** What a caller has waiting changed. */
export function accountCaller({ waiting }: CallerShares, caller: string, entries: number, workMs: number): void {
  const own = waiting.get(caller) ?? { workMs: 0, entries: 0 };
  own.entries += entries;
  own.workMs += workMs;
  if (own.entries > 0) waiting.set(caller, own);
  else waiting.delete(caller);
}

/** Milliseconds of the callers' work that goes before a new request of this one: all of it at most, and everybody's turn for each of its own. */
export function aheadOfCaller({ waiting }: CallerShares, caller: string, workMs: number, requestMs: number): number {
  const own = waiting.get(caller);
  const others = waiting.size - (own === undefined ? 0 : 1);
  return Math.min(workMs, (own?.workMs ?? 0) + others * ((own?.workMs ?? 0) + requestMs));
}

/** A model's turn took `workMs`. Returns its new tag. */
export function chargeModel(shares: ModelShares, tag: number, workMs: number): number {
  shares.virtualMs = Math.max(shares.virtualMs, tag);
  return tag + workMs;
}
