import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram, ROWS_BOUNDS, SECONDS_BOUNDS } from '../../../src/metrics/histogram.ts';

describe('Histogram', () => {
  it('puts a value into the first bucket whose bound is not below it', () => {
    const histogram = new Histogram([1, 2]);
    for (const value of [0, 1, 1.5, 2, 2.1]) histogram.observe(value);
    expect(histogram.counts).toEqual([2, 2, 1]);
  });

  it('counts what is not a positive number as 0', () => {
    const histogram = new Histogram([1]);
    for (const value of [-1, Number.NaN, -Infinity]) histogram.observe(value);
    expect(histogram).toMatchObject({ counts: [3, 0], sum: 0, count: 3 });
  });

  it('agrees with counting by hand', () => {
    fc.assert(fc.property(fc.array(fc.double({ min: 0, max: 100, noNaN: true })), (values) => {
      const histogram = new Histogram(SECONDS_BOUNDS);
      for (const value of values) histogram.observe(value);
      let cumulative = 0;
      SECONDS_BOUNDS.forEach((bound, bucket) => {
        cumulative += histogram.counts[bucket] ?? 0;
        expect(cumulative).toBe(values.filter((value) => value <= bound).length);
      });
      expect(histogram.count).toBe(values.length);
    }));
  });

  it.each([['seconds', SECONDS_BOUNDS], ['rows', ROWS_BOUNDS]])('has ascending bounds for %s', (_name, bounds) => {
    expect([...bounds].sort((left, right) => left - right)).toEqual(bounds);
    expect(new Set(bounds).size).toBe(bounds.length);
  });
});
