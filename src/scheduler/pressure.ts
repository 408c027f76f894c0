/**
 * How busy a set of devices is: predicted work that arrives over time that passes, each request at the price of the best batch
 * size. Near 1 the device time that a small batch wastes is paid by everybody who comes after: in a queue with utilisation ρ,
 * work that takes δ longer delays what follows by about δ × ρ / (1 − ρ) (M/G/1).
 */
import type { ModelShares } from './state.ts';
import type { Tuning } from './tuning.ts';

/** The first few requests say little of a rate. */
const MIN_SEEN_MS = 20;

type Limits = Pick<Tuning, 'pressureWindowMs' | 'maxUtilisation'>;

/** Work has arrived that will take all devices `workMs`. */
export function workArrived(shares: ModelShares, workMs: number, nowMs: number, tuning: Limits): void {
  decay(shares, nowMs, tuning);
  if (shares.firstMs === -Infinity) shares.firstMs = nowMs;
  shares.utilisation += workMs / tuning.pressureWindowMs;
}

/** Share of the time that the devices are needed, from 0 to maxUtilisation. */
export function utilisationOf(shares: ModelShares, nowMs: number, tuning: Limits): number {
  decay(shares, nowMs, tuning);
  // The average has not been filled yet: what has come is divided by the time in which it came.
  const filled = 1 - Math.exp(-Math.max(nowMs - shares.firstMs, MIN_SEEN_MS) / tuning.pressureWindowMs);
  return Math.min(shares.utilisation / filled, tuning.maxUtilisation);
}

/** Milliseconds that others wait longer for each millisecond of device time that is wasted now. */
export function pressureOf(utilisation: number): number {
  return utilisation / (1 - utilisation);
}

function decay(shares: ModelShares, nowMs: number, { pressureWindowMs }: Limits): void {
  if (nowMs <= shares.seenMs) return;
  shares.utilisation *= Math.exp((shares.seenMs - nowMs) / pressureWindowMs);
  shares.seenMs = nowMs;
}
