import { describe, expect, test } from 'vitest';
import { computeBars } from '../../../bench/bars.ts';
import type { Bar } from '../../../bench/bars.ts';
import type { BenchmarkRun } from '../../../bench/results.ts';
import { bareTrial, benchmarkRun, closedTrial, overloadTrial } from './run-fixture.ts';

function find(run: BenchmarkRun, name: string): Bar {
  const bars = computeBars(run).filter((bar) => bar.name === name);
  expect(bars, name).toHaveLength(1);
  return bars[0]!;
}

/** A run where Sluice stands exactly on the limit of every bar. */
function onTheLimits(): BenchmarkRun {
  return benchmarkRun({
    bare: [bareTrial(1, { cpuMsPerItem: 1 }), bareTrial(4, { cpuMsPerItem: 0.5 })],
    closed: [8, 64].flatMap((connections) => [
      closedTrial('handler', 'binary', connections, { requestsPerSecond: 1000, p99Ms: 88 / 0.65 }),
      closedTrial('fastapi', 'binary', connections, { requestsPerSecond: 1700 }),
      closedTrial('sluice', 'binary', connections, { requestsPerSecond: 1800, cpuMsPerRequest: 1.15, p99Ms: (1.6 * 64_000) / 1800, peakMemoryMiB: 100 }),
      closedTrial('handler', 'json', connections, { requestsPerSecond: 200, p99Ms: 1000 }),
      closedTrial('fastapi', 'json', connections, { requestsPerSecond: 500 }),
      closedTrial('sluice', 'json', connections, { requestsPerSecond: 860, cpuMsPerRequest: 2, p99Ms: 100 }),
    ]),
    overload: [
      overloadTrial('sluice', 2, { peakPerSecond: 1800, goodputPerSecond: 1710, recoveryMs: 1000, peakMemoryMiB: 200 }),
      overloadTrial('sluice', 5, { peakPerSecond: 1800, goodputPerSecond: 1080, recoveryMs: 1000, peakMemoryMiB: 200 }),
    ],
  });
}

test('everything on its limit passes', () => {
  const failed = computeBars(onTheLimits()).filter(({ passed }) => passed !== true);
  expect(failed).toEqual([]);
});

test('nothing measured is neither passed nor failed', () => {
  expect(computeBars(benchmarkRun()).every(({ value, passed }) => value === null && passed === null)).toBe(true);
});

describe('each bar fails beyond its limit', () => {
  const change = (server: 'sluice' | 'piscina', format: 'binary' | 'json', figures: object) => (run: BenchmarkRun): BenchmarkRun => ({
    ...run,
    closed: [
      ...run.closed.map((trial) => (trial.server === server && trial.format === format ? { ...trial, ...figures } : trial)),
      ...(server === 'piscina' ? [8, 64].map((connections) => closedTrial(server, format, connections, figures)) : []),
    ],
  });
  const overload = (figures: object) => (run: BenchmarkRun): BenchmarkRun => ({ ...run, overload: run.overload.map((trial) => ({ ...trial, ...figures })) });

  test.each([
    ['binary, 8 connections: CPU time over the bare loop\'s', change('sluice', 'binary', { cpuMsPerRequest: 1.16 })],
    ['binary, 64 connections: CPU time over the bare loop\'s', change('sluice', 'binary', { cpuMsPerRequest: 1.16 })],
    ['binary, 8 connections: throughput over the handler server\'s', change('sluice', 'binary', { requestsPerSecond: 1799 })],
    ['binary, 64 connections: throughput over the best other server\'s', change('piscina', 'binary', { requestsPerSecond: 1800 })],
    ['json, 8 connections: CPU time over the bare loop\'s', change('sluice', 'json', { cpuMsPerRequest: 2.01 })],
    ['json, 64 connections: throughput over the handler server\'s', change('sluice', 'json', { requestsPerSecond: 859 })],
    ['json, 8 connections: throughput over FastAPI\'s', change('sluice', 'json', { requestsPerSecond: 799 })],
    ['binary, 64 connections: p99 over connections ÷ throughput', change('sluice', 'binary', { p99Ms: 57 })],
    ['json, 64 connections: p99 over the handler server\'s', change('sluice', 'json', { p99Ms: 651 })],
    ['2 × the peak offered: goodput over the peak', overload({ goodputPerSecond: 1709 })],
    ['5 × the peak offered: goodput over the peak', overload({ goodputPerSecond: 1079 })],
    ['2 × the peak offered: normal latency again', overload({ recoveryMs: 1001 })],
    ['5 × the peak offered: normal latency again', overload({ recoveryMs: null })],
    ['5 × the peak offered: memory over that at 64 connections', overload({ peakMemoryMiB: 201 })],
  ])('%s', (name, worsen) => {
    expect(find(onTheLimits(), name).passed).toBe(true);
    expect(find(worsen(onTheLimits()), name).passed).toBe(false);
  });
});

test('a bar is a ratio of medians over the rounds', () => {
  const rounds = (server: 'handler' | 'sluice', values: number[]): ReturnType<typeof closedTrial>[] =>
    values.map((requestsPerSecond, index) => closedTrial(server, 'binary', 8, { round: index + 1, requestsPerSecond }));
  const run = benchmarkRun({ closed: [...rounds('handler', [900, 1000, 5000]), ...rounds('sluice', [1, 2000, 2100])] });
  expect(find(run, 'binary, 8 connections: throughput over the handler server\'s').value).toBe(2);
});

test('memory under overload is the worst round, not the middle one', () => {
  const run = benchmarkRun({
    closed: [closedTrial('sluice', 'binary', 64, { peakMemoryMiB: 100 })],
    overload: [150, 160, 900].map((peakMemoryMiB) => overloadTrial('sluice', 2, { peakMemoryMiB })),
  });
  expect(find(run, '2 × the peak offered: memory over that at 64 connections').value).toBe(9);
});
