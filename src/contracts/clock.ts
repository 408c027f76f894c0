/**
 * Time as the stages see it. Every decision takes `nowMs` from here, so that tests advance a fake clock.
 * Monotonic: it never jumps, has no meaning across machines, and is the same in every process of one boot
 * (CLOCK_MONOTONIC), which lets a device host report when it began a batch.
 */
export interface Clock {
  /** Milliseconds on the monotonic clock, with fractions. */
  nowMs(): number;
  /** Calls `callback` once, `delayMs` from now or later. Returns a function that cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => Number(process.hrtime.bigint()) / 1e6,
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => {
      clearTimeout(timer);
    };
  },
};
