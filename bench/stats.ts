/**
 * Middle value; the mean of the two in the middle for an even count.
 *
 * @throws RangeError for an empty list: a median of nothing is a bug of the caller.
 */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  if (upper === undefined || lower === undefined) throw new RangeError('median of an empty list');
  return (lower + upper) / 2;
}

/**
 * Nearest-rank percentile: the smallest value that at least `share` (0 < share ≤ 1) of all values do not exceed.
 *
 * @param sorted ascending.
 * @returns NaN for an empty list: a trial without a single answer has no latency.
 */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** Half the range over the median: the ± of a few rounds. 0 for a single round. */
export function relativeSpread(values: readonly number[]): number {
  const middle = median(values);
  return middle === 0 ? 0 : (Math.max(...values) - Math.min(...values)) / 2 / middle;
}
