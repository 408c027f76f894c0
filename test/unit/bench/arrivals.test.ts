import { expect, test } from 'vitest';
import { createRandom } from '../../../bench/inputs/random.ts';
import { createArrivals } from '../../../bench/load/arrivals.ts';

function draw(ratePerSecond: number, seed: number, count: number): number[] {
  const next = createArrivals(ratePerSecond, seed);
  return Array.from({ length: count }, () => next());
}

test('arrivals only go forward', () => {
  const times = draw(1000, 1, 1000);
  expect(times.every((time, index) => time > (times[index - 1] ?? 0))).toBe(true);
});

test('gaps are exponential: their mean and their standard deviation are both 1 ÷ rate', () => {
  const times = draw(2000, 3, 100_000);
  const gaps = times.map((time, index) => time - (times[index - 1] ?? 0));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
  expect(mean).toBeCloseTo(0.5, 2);
  expect(Math.sqrt(variance)).toBeCloseTo(0.5, 2);
});

test('the same seed gives the same arrivals, another seed others', () => {
  expect(draw(100, 5, 10)).toEqual(draw(100, 5, 10));
  expect(draw(100, 5, 10)).not.toEqual(draw(100, 6, 10));
});

test.each([0, -1, NaN])('a rate of %s is refused', (rate) => {
  expect(() => createArrivals(rate, 1)).toThrow(RangeError);
});

test('random numbers are uniform in [0, 1)', () => {
  const random = createRandom(11);
  const buckets = new Array<number>(10).fill(0);
  for (let count = 0; count < 100_000; count += 1) {
    const bucket = Math.floor(random() * 10);
    buckets[bucket] = (buckets[bucket] ?? NaN) + 1;
  }
  expect(buckets).toHaveLength(10);
  expect(buckets.every((bucket) => Math.abs(bucket - 10_000) < 500)).toBe(true);
});
