/** A device's life, and when to start its host again. Pure. */
import type { DeviceState } from '../contracts/device.ts';

const TRANSITIONS: Readonly<Record<DeviceState, readonly DeviceState[]>> = {
  STARTING: ['READY', 'RESTARTING', 'DOWN', 'STOPPED'],
  READY: ['RESTARTING', 'DOWN', 'STOPPED'],
  RESTARTING: ['READY', 'DOWN', 'STOPPED'],
  DOWN: ['RESTARTING', 'STOPPED'],
  STOPPED: [],
};

/** Returns `to`, or throws where a device cannot go there from `from`: a bug of ours. */
export function transition(from: DeviceState, to: DeviceState): DeviceState {
  if (!TRANSITIONS[from].includes(to)) throw new Error(`a device cannot go from ${from} to ${to}`);
  return to;
}

const WINDOW_MS = 60_000;
/** Crashes within the window after which the device is DOWN, and tried again only now and then. */
const MAX_CRASHES = 5;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 30_000;

export interface RestartDecision {
  /** DOWN: too many crashes in a short time. The next attempt comes all the same, after delayMs. */
  readonly down: boolean;
  readonly delayMs: number;
}

/** What is remembered of a device's crashes. */
export interface CrashHistory {
  /** When its host crashed, on the monotonic clock; only those that still count. */
  readonly crashes: readonly number[];
  /** The device is DOWN: until a host is READY again, every attempt is a probe. */
  readonly down: boolean;
}

export const NO_CRASHES: CrashHistory = { crashes: [], down: false };

/**
 * After a crash at `nowMs`: when to start again. The first crash is answered at once, later ones with a random delay up to
 * 0.1 s, 0.2 s, 0.4 s … 30 s ("full jitter", so that the devices of one machine don't start in step), and more than 5 in
 * 60 s with DOWN and a probe every 30 s. `random` gives numbers in [0, 1).
 */
export function decideRestart(history: CrashHistory, nowMs: number, random: () => number): RestartDecision & { readonly history: CrashHistory } {
  const crashes = [...history.crashes.filter((crash) => nowMs - crash < WINDOW_MS), nowMs];
  if (history.down || crashes.length > MAX_CRASHES) return { down: true, delayMs: MAX_DELAY_MS, history: { crashes, down: true } };
  const ceilingMs = crashes.length === 1 ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (crashes.length - 2));
  return { down: false, delayMs: random() * ceilingMs, history: { crashes, down: false } };
}
