import { expect, test } from 'vitest';
import { findRecoveryMs } from '../../../bench/load/recovery.ts';

function probes(...latenciesMs: (number | null)[]): { atMs: number; latencyMs: number | null }[] {
  return latenciesMs.map((latencyMs, index) => ({ atMs: (index + 1) * 10, latencyMs }));
}

test('is the first of five normal probes in a row', () => {
  expect(findRecoveryMs(probes(50, 50, 3, 3, 3, 3, 3), 4)).toBe(30);
});
test('starts again after a slow or a missing answer', () => {
  expect(findRecoveryMs(probes(3, 3, 3, 3, 9, 3, 3, null, 3, 3, 3, 3, 3), 4)).toBe(90);
});
test('takes the limit itself as normal', () => {
  expect(findRecoveryMs(probes(4, 4, 4, 4, 4), 4)).toBe(10);
});
test('is null while there are not five', () => {
  expect(findRecoveryMs(probes(3, 3, 3, 3), 4)).toBeNull();
  expect(findRecoveryMs([], 4)).toBeNull();
});
