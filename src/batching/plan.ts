/**
 * How many rows the next batch takes. One rule: the size that costs everybody least time, where a larger size must earn its
 * place. That is the time until the waiting rows are done over the slots that share them, and, by how busy the devices are, the
 * slot time that they take from those who come later. The size 1 is always among the candidates, so the prediction is never worse
 * than that of no batching; on a flat or rising curve it wins, and idle slots are filled by splitting the queue.
 */
import type { CostCurve, SizeQuery } from '../contracts/batching.ts';

/** Slots that are looked at; more would not change the size by more than one part in eight, and time is short here. */
const MAX_SLOTS = 8;
/** Batches that are placed one by one while a slot is busy for longer than a batch; after them such slots are left out. */
const MAX_SINGLE_STEPS = 32;

const freeMs = new Float64Array(MAX_SLOTS);

/** Rows of the next batch, 1 ≤ answer ≤ min(rows, maxRows, curve.maxRows). */
export function chooseRows(query: SizeQuery): number {
  const limit = Math.min(query.rows, query.maxRows, query.curve.maxRows);
  if (limit <= 1) return 1;
  if (query.preferredSizes !== null) return largestReached(query.preferredSizes, limit);
  const { curve, slotOffsetsMs, rows, enlargeGain, pressure } = query;
  // What is left over at the end is not reckoned as a batch: under pressure, it goes with what comes next.
  const scoreMs = (size: number): number => makespanMs(rows, size, curve, slotOffsetsMs) + (pressure * rows * curve.costMs[size]!) / size / slotOffsetsMs.length;
  let best = 1;
  let bestMs = scoreMs(1);
  const consider = (size: number): void => {
    const candidateMs = scoreMs(size);
    if (candidateMs > bestMs * (1 - enlargeGain)) return;
    best = size;
    bestMs = candidateMs;
  };
  // The measured sizes, and the even share of the slots: 6 rows on 2 slots go as 3 and 3.
  const share = Math.ceil(rows / slotOffsetsMs.length);
  let last = 1;
  for (const size of curve.sizes) {
    if (share > last && share < size && share <= limit) consider(share);
    if (size > limit) break;
    if (size > last) consider(size);
    last = size;
  }
  if (limit > last && limit !== share) consider(limit);
  return best;
}

/**
 * Milliseconds from now until `rows` rows are done in batches of `size` (the last one smaller), each put on the slot that is
 * free first. Constant time: once the slots are less than a batch apart, whole rounds are added at once.
 */
function makespanMs(rows: number, size: number, curve: CostCurve, slotOffsetsMs: readonly number[]): number {
  const batches = Math.ceil(rows / size);
  const slots = Math.min(slotOffsetsMs.length, MAX_SLOTS);
  const costMs = curve.costMs[size]!;
  const lastMs = curve.costMs[rows - (batches - 1) * size]!;
  for (let i = 0; i < slots; i++) freeMs[i] = slotOffsetsMs[i]!;
  let left = batches;
  let steps = 0;
  let endMs = 0;
  while (left > 0) {
    let first = 0;
    for (let i = 1; i < slots; i++) if (freeMs[i]! < freeMs[first]!) first = i;
    const added = left > slots ? addRounds(left, slots, freeMs[first]!, costMs, steps) : 0;
    left -= added;
    // The last batch may be smaller, and done before those of the rounds.
    if (added > 0) for (let i = 0; i < slots; i++) if (freeMs[i]! < Infinity) endMs = Math.max(endMs, freeMs[i]!);
    const doneMs = freeMs[first]! + (left === 1 ? lastMs : costMs);
    freeMs[first] = doneMs;
    if (doneMs > endMs) endMs = doneMs;
    left--;
    steps++;
  }
  return endMs;
}

/** Adds as many whole rounds as leave at least one batch to place; returns how many batches that were. */
function addRounds(left: number, slots: number, earliestMs: number, costMs: number, steps: number): number {
  let together = 0;
  for (let i = 0; i < slots; i++) if (freeMs[i]! <= earliestMs + costMs) together++;
  if (together < slots && steps < MAX_SINGLE_STEPS) return 0;
  const rounds = Math.floor((left - 1) / together);
  for (let i = 0; i < slots; i++) {
    if (freeMs[i]! <= earliestMs + costMs) freeMs[i] = freeMs[i]! + rounds * costMs;
    else freeMs[i] = Infinity;
  }
  return rounds * together;
}

/** model.json's own sizes: the largest that the queue reaches, or all that waits when it reaches none. */
function largestReached(sizes: readonly number[], limit: number): number {
  let best = 0;
  for (const size of sizes) if (size <= limit && size > best) best = size;
  return best === 0 ? limit : best;
}
