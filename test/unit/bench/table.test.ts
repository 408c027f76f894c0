import { describe, expect, test } from 'vitest';
import { replaceBetweenMarkers } from '../../../bench/readme.ts';
import { peakPerSecond } from '../../../bench/results.ts';
import { renderBars, renderTables } from '../../../bench/table.ts';
import { bareTrial, benchmarkRun, closedTrial, overloadTrial } from './run-fixture.ts';

const RUN = benchmarkRun({
  skipped: [{ server: 'fastapi', reason: 'there is no python3 here\nat somewhere' }],
  bare: [bareTrial(1), bareTrial(4, { itemsPerSecond: 2200, cpuMsPerItem: 0.81 })],
  closed: [
    closedTrial('handler', 'binary', 8, { requestsPerSecond: 972.4, p50Ms: 8.04, p99Ms: 16, cpuMsPerRequest: 1.153 }),
    closedTrial('sluice', 'binary', 8, { requestsPerSecond: 1916 }),
    closedTrial('sluice', 'binary', 64, { requestsPerSecond: 1982, p50Ms: 32, p99Ms: 45, cpuMsPerRequest: 0.95, peakMemoryMiB: 210 }),
  ],
  overload: [overloadTrial('sluice', 2), overloadTrial('sluice', 5, { goodputPerSecond: 1300, recoveryMs: null })],
});

function row(text: string, start: string): string | undefined {
  return text.split('\n').find((line) => line.startsWith(`| ${start}`));
}

describe('renderTables', () => {
  const text = renderTables(RUN);
  test('a row holds the medians at every level, and a dash where there are none', () => {
    expect(row(text, '**Sluice**')).toBe('| **Sluice** | 1,000 · 1,982 | 5.0 · 32.0 | 10.0 · 45.0 | 1.00 · 0.95 | 100 · 210 |'.replace('1,000', '1,916'));
    expect(row(text, 'Fastify, onnx')).toBe('| Fastify, onnxruntime-node in the handler | 972 · – | 8.0 · – | 16.0 · – | 1.15 · – | 100 · – |');
  });
  test('the bare loop stands below as the limit', () => {
    expect(row(text, '*Bare loop, 2 processes, batch 4')).toContain('| 2,200 | – | – | 0.81 | – |');
  });
  test('overload shows goodput, recovery and memory', () => {
    expect(text).toContain('| **Sluice** | 95 % · 65 % | 0.10 s · > 10 s | 150 · 150 |');
  });
  test('the machine is described, and who is missing', () => {
    expect(text).toContain('Test CPU, 2 of 4 cores');
    expect(text).toContain('Not measured: fastapi (there is no python3 here).');
  });
  test('every row has as many cells as its head', () => {
    for (const table of text.split('\n\n').filter((block) => block.startsWith('|'))) {
      expect(new Set(table.split('\n').map((line) => line.split(' | ').length)).size).toBe(1);
    }
  });
});

test('renderBars says which passed, which failed and which could not be measured', () => {
  const text = renderBars(RUN);
  expect(row(text, 'binary, 8 connections: throughput over the handler')).toMatch(/\| at least 1.80 × \| 1.97 × \| pass \|$/);
  expect(row(text, '5 × the peak offered: normal')).toMatch(/\| at most 1.00 s \| > 10 s \| \*\*FAIL\*\* \|$/);
  expect(row(text, 'json, 8 connections: CPU')).toMatch(/\| – \| not measured \|$/);
});

test('the peak is the best median of the binary closed loop', () => {
  const trials = [
    ...[1500, 1600, 9000].map((requestsPerSecond) => closedTrial('sluice', 'binary', 8, { requestsPerSecond })),
    ...[1700, 1750, 100].map((requestsPerSecond) => closedTrial('sluice', 'binary', 64, { requestsPerSecond })),
    closedTrial('sluice', 'json', 8, { requestsPerSecond: 5000 }),
    closedTrial('handler', 'binary', 8, { requestsPerSecond: 7000 }),
  ];
  expect(peakPerSecond(trials, 'sluice')).toBe(1700);
  expect(peakPerSecond(trials, 'piscina')).toBeNull();
});

describe('replaceBetweenMarkers', () => {
  const readme = 'before\n<!-- bench:start -->\nold\n<!-- bench:end -->\nafter\n';
  test('replaces what stands between, and is the same the second time', () => {
    const once = replaceBetweenMarkers(readme, '| $& |');
    expect(once).toBe('before\n<!-- bench:start -->\n| $& |\n<!-- bench:end -->\nafter\n');
    expect(replaceBetweenMarkers(once, '| $& |')).toBe(once);
  });
  test.each(['', '<!-- bench:start -->', '<!-- bench:end --><!-- bench:start -->', readme + readme])('refuses %j', (text) => {
    expect(() => replaceBetweenMarkers(text, 'x')).toThrow(/must hold/);
  });
});
