/** One request sent alone after the load had stopped; `latencyMs` is null where no right answer came in time. */
export interface Probe {
  /** When its answer came or was given up, since the last arrival of the load. */
  readonly atMs: number;
  readonly latencyMs: number | null;
}

/** "Normal again": this many probes in a row, so that one lucky answer between two slow ones does not count. */
const NORMAL_PROBES = 5;

/** "Normal latency": at most this multiple of the median that the same probes had before the load. */
export const NORMAL_LATENCY_RATIO = 2;

/**
 * When latency was normal again: the end of the first of {@link NORMAL_PROBES} probes in a row that took at most
 * `limitMs` each. Null where that has not happened (yet).
 */
export function findRecoveryMs(probes: readonly Probe[], limitMs: number): number | null {
  let streak = 0;
  for (const [index, { latencyMs }] of probes.entries()) {
    streak = latencyMs !== null && latencyMs <= limitMs ? streak + 1 : 0;
    if (streak === NORMAL_PROBES) return probes[index - NORMAL_PROBES + 1]?.atMs ?? null;
  }
  return null;
}
