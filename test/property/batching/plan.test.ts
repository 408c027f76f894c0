import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batcher } from '../../../src/batching/index.ts';
import type { CostCurve, SizeQuery } from '../../../src/contracts/batching.ts';

/** Any positive costs: falling, rising or jumping from size to size. */
const curve: fc.Arbitrary<CostCurve> = fc.record({
  steps: fc.array(fc.integer({ min: 2, max: 9 }), { maxLength: 5 }),
  costs: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 64, maxLength: 64 }),
  exponent: fc.constantFrom(null, 0, 0.3, 0.9, 1, 1.3),
}).map(({ steps, costs, exponent }) => {
  const sizes = [1];
  for (const step of steps) sizes.push(sizes.at(-1)! + step);
  const maxRows = sizes.at(-1)!;
  return { sizes, maxRows, costMs: [0, ...Array.from({ length: maxRows }, (_, i) => (exponent === null ? costs[i]! / 10 : 10 * (i + 1) ** exponent))] };
});

const query: fc.Arbitrary<SizeQuery> = fc.record({
  rows: fc.integer({ min: 1, max: 200 }),
  maxRows: fc.integer({ min: 1, max: 60 }),
  curve,
  // As far apart as slots that are busy with a batch or two.
  slotOffsetsMs: fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 30 })), { minLength: 1, maxLength: 8 }),
  preferredSizes: fc.constant(null),
  enlargeGain: fc.constantFrom(0, 0.02, 0.05, 0.3),
  pressure: fc.constantFrom(0, 0.4, 1, 9, 49),
}).filter(isNear);

/** Slots that are free only after dozens of the smallest batches are left out of the plan, on purpose. */
function isNear({ curve: { costMs, maxRows }, slotOffsetsMs }: SizeQuery): boolean {
  const cheapest = Math.min(...Array.from(costMs).slice(1, maxRows + 1));
  return Math.max(...slotOffsetsMs) <= cheapest * 4;
}

/** List scheduling, batch by batch: each goes to the slot that is free first. What it costs the queue, and those who come later. */
function simulate({ rows, curve: { costMs }, slotOffsetsMs, pressure }: SizeQuery, size: number): number {
  const free = [...slotOffsetsMs];
  let endMs = 0;
  for (let left = rows; left > 0; left -= size) {
    const slot = free.indexOf(Math.min(...free));
    const costs = costMs[Math.min(size, left)]!;
    free[slot] = free[slot]! + costs;
    endMs = Math.max(endMs, free[slot]);
  }
  return endMs + (pressure * rows * costMs[size]!) / size / slotOffsetsMs.length;
}

const ROUNDING = 1 + 1e-9;

describe('the size of the next batch', () => {
  test('is within its bounds, and costs no more than single rows or any measured size would, by more than the gain', () => {
    fc.assert(fc.property(query, (asked) => {
      const size = batcher.chooseRows(asked);
      const limit = Math.min(asked.rows, asked.maxRows, asked.curve.maxRows);
      expect(Number.isInteger(size) && size >= 1 && size <= limit).toBe(true);
      const endMs = simulate(asked, size);
      expect(endMs).toBeLessThanOrEqual(simulate(asked, 1) * ROUNDING);
      for (const other of asked.curve.sizes) {
        if (other <= limit) expect(endMs * (1 - asked.enlargeGain)).toBeLessThanOrEqual(simulate(asked, other) * ROUNDING);
      }
    }), { numRuns: 2_000 });
  });

  test('is within its bounds however far apart the slots are, and however many', () => {
    const offsets = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 40 });
    fc.assert(fc.property(query, offsets, fc.integer({ min: 1, max: 100_000 }), (asked, slotOffsetsMs, rows) => {
      const size = batcher.chooseRows({ ...asked, rows, slotOffsetsMs });
      expect(Number.isInteger(size) && size >= 1 && size <= Math.min(rows, asked.maxRows, asked.curve.maxRows)).toBe(true);
    }), { numRuns: 500 });
  });

  test('is the largest preferred one that is reached, or all that may go when none is', () => {
    fc.assert(fc.property(query, fc.array(fc.integer({ min: 1, max: 64 }), { maxLength: 4 }), (asked, preferredSizes) => {
      const limit = Math.min(asked.rows, asked.maxRows, asked.curve.maxRows);
      const reached = preferredSizes.filter((size) => size <= limit);
      expect(batcher.chooseRows({ ...asked, preferredSizes })).toBe(reached.length === 0 ? limit : Math.max(...reached));
    }), { numRuns: 500 });
  });
});
