import type { Dataset } from '../../../bench/inputs/dataset.ts';
import type { BareTrial, BenchmarkRun, ClosedLoopTrial, OverloadTrial } from '../../../bench/results.ts';
import { FULL_RUN } from '../../../bench/scenarios.ts';
import type { ServerName } from '../../../bench/scenarios.ts';
import type { WireFormat } from '../../../bench/wire.ts';

export function closedTrial(server: ServerName, format: WireFormat, connections: number, figures: Partial<ClosedLoopTrial> = {}): ClosedLoopTrial {
  return {
    kind: 'closed', server, format, connections, round: 1, requestsPerSecond: 1000, p50Ms: 5, p99Ms: 10, cpuMsPerRequest: 1,
    generatorCpuMsPerRequest: 0.1, non2xx: 0, connectionErrors: 0, wrongAnswers: [], peakMemoryMiB: 100, ...figures,
  };
}

export function bareTrial(batch: number, figures: Partial<BareTrial> = {}): BareTrial {
  return { kind: 'bare', batch, round: 1, itemsPerSecond: 2000, cpuMsPerItem: 0.85, wrongAnswers: [], ...figures };
}

export function overloadTrial(server: ServerName, multiple: number, figures: Partial<OverloadTrial> = {}): OverloadTrial {
  return {
    kind: 'overload', server, multiple, round: 1, peakPerSecond: 2000, peakMemoryMiB: 150, offeredPerSecond: 2000 * multiple,
    goodputPerSecond: 1900, goodP50Ms: 50, goodP99Ms: 100, unloadedP50Ms: 2, recoveryMs: 100, statusCounts: {}, timedOut: 0,
    unsent: 0, connectionErrors: {}, generatorMaxLagMs: 1, generatorCpuMsPerRequest: 0.1, wrongAnswers: [], ...figures,
  };
}

export function benchmarkRun(trials: Partial<BenchmarkRun> = {}): BenchmarkRun {
  return {
    version: 1,
    startedAt: '2026-11-21T10:00:00.000Z',
    machine: {
      cpu: 'Test CPU', cores: 4, coresUsed: 2, memoryGiB: 8, kernel: 'linux 6.1 x64', node: 'v20.20.2', onnxruntime: '1.30.0',
      commit: 'abc1234', loadAverage: [0, 0, 0], busyBefore: 0,
    },
    selection: FULL_RUN,
    skipped: [],
    bare: [],
    closed: [],
    overload: [],
    ...trials,
  };
}

/** A data set of answers alone. */
export function answersOnly(expected: readonly (readonly number[])[]): Dataset {
  const absent = (): never => {
    throw new Error('this data set holds answers alone');
  };
  return { count: expected.length, row: absent, rows: absent, jsonBody: absent, expected: (index) => expected[index] ?? [] };
}
