import { describe, expect, test } from 'vitest';
import { median, percentile, relativeSpread } from '../../../bench/stats.ts';

describe('median', () => {
  test('is the middle of an odd count, whatever the order', () => {
    expect(median([9, 1, 5])).toBe(5);
  });
  test('is the mean of the middle two of an even count', () => {
    expect(median([10, 1, 2, 4])).toBe(3);
  });
  test('sorts as numbers, infinity last', () => {
    expect(median([Infinity, 10, 9])).toBe(10);
    expect(median([Infinity, Infinity, 9])).toBe(Infinity);
  });
  test('of nothing is an error', () => {
    expect(() => median([])).toThrow(RangeError);
  });
});

describe('percentile', () => {
  const oneToHundred = Float64Array.from({ length: 100 }, (_, index) => index + 1);
  test.each([[0.5, 50], [0.99, 99], [0.991, 100], [1, 100], [0.001, 1]])('%s of 1…100 is %s', (share, value) => {
    expect(percentile(oneToHundred, share)).toBe(value);
  });
  test('of one value is that value', () => {
    expect(percentile(Float64Array.of(7), 0.99)).toBe(7);
  });
  test('of nothing is not a number', () => {
    expect(percentile(new Float64Array(), 0.5)).toBeNaN();
  });
});

describe('relativeSpread', () => {
  test('is half the range over the median', () => {
    expect(relativeSpread([90, 100, 120])).toBeCloseTo(0.15);
  });
  test('is 0 for one round, and for nothing but zeros', () => {
    expect(relativeSpread([5])).toBe(0);
    expect(relativeSpread([0, 0])).toBe(0);
  });
});
