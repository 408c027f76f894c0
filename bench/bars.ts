/** The bars that Sluice must clear, each computed from the medians of one run (issue 3, point 19). */
import { bareMedian, closedMedian, goodputShare, overloadMemoryMiB, recoveryMs } from './results.ts';
import type { BenchmarkRun } from './results.ts';
import { CONNECTIONS, FORMATS, SERVERS } from './scenarios.ts';
import type { ServerName } from './scenarios.ts';
import type { WireFormat } from './wire.ts';

export interface Bar {
  readonly name: string;
  readonly comparison: 'at most' | 'at least' | 'above';
  readonly limit: number;
  /** Null where the run lacks what it is computed from. */
  readonly value: number | null;
  readonly passed: boolean | null;
  readonly unit: '×' | 'ms';
}

/** Serving tax: CPU of a request over CPU of a bare inference at batch 1. */
const CPU_TIMES_BARE: Readonly<Record<WireFormat, number>> = { binary: 1.15, json: 2.0 };
const THROUGHPUT_TIMES_HANDLER: Readonly<Record<WireFormat, number>> = { binary: 1.8, json: 4.3 };
const JSON_THROUGHPUT_TIMES_FASTAPI = 1.6;
/** p99 over connections ÷ throughput, which is the mean latency of a closed loop (Little's law). */
const P99_TIMES_MEAN_LATENCY = 1.6;
const P99_TIMES_HANDLER = 0.65;
const P99_CONNECTIONS = 64;
const GOODPUT_SHARE: readonly (readonly [multiple: number, share: number])[] = [[2, 0.95], [5, 0.6]];
const RECOVERY_MS = 1000;
/** "Memory bounded": what it holds with 64 connections, twice at most. Unbounded queues reach 8 to 40 times. */
const OVERLOAD_MEMORY_TIMES_CLOSED = 2;

/** Every bar, in the order of the issue. */
export function computeBars(run: BenchmarkRun): Bar[] {
  return [
    ...FORMATS.flatMap((format) => CONNECTIONS.flatMap((connections) => throughputBars(run, format, connections))),
    ...FORMATS.flatMap((format) => latencyBars(run, format)),
    ...GOODPUT_SHARE.flatMap(([multiple, share]) => overloadBars(run, multiple, share)),
  ];
}

function throughputBars(run: BenchmarkRun, format: WireFormat, connections: number): Bar[] {
  const load = `${format}, ${connections} connections`;
  const throughput = (server: ServerName): number | null => closedMedian(run, server, format, connections, 'requestsPerSecond');
  const own = throughput('sluice');
  const bars = [
    bar(`${load}: CPU time over the bare loop's`, 'at most', CPU_TIMES_BARE[format], '×',
      ratio(closedMedian(run, 'sluice', format, connections, 'cpuMsPerRequest'), bareMedian(run, 1, 'cpuMsPerItem'))),
    bar(`${load}: throughput over the handler server's`, 'at least', THROUGHPUT_TIMES_HANDLER[format], '×', ratio(own, throughput('handler'))),
  ];
  if (format === 'json') {
    return [...bars, bar(`${load}: throughput over FastAPI's`, 'at least', JSON_THROUGHPUT_TIMES_FASTAPI, '×', ratio(own, throughput('fastapi')))];
  }
  const others = SERVERS.filter((server) => server !== 'sluice').map(throughput).filter((value) => value !== null);
  const best = others.length === 0 ? null : Math.max(...others);
  return [...bars, bar(`${load}: throughput over the best other server's`, 'above', 1, '×', ratio(own, best))];
}

function latencyBars(run: BenchmarkRun, format: WireFormat): Bar[] {
  const load = `${format}, ${P99_CONNECTIONS} connections`;
  const p99Ms = closedMedian(run, 'sluice', format, P99_CONNECTIONS, 'p99Ms');
  const throughput = closedMedian(run, 'sluice', format, P99_CONNECTIONS, 'requestsPerSecond');
  const meanLatencyMs = throughput === null ? null : (P99_CONNECTIONS * 1000) / throughput;
  return [
    bar(`${load}: p99 over connections ÷ throughput`, 'at most', P99_TIMES_MEAN_LATENCY, '×', ratio(p99Ms, meanLatencyMs)),
    bar(`${load}: p99 over the handler server's`, 'at most', P99_TIMES_HANDLER, '×',
      ratio(p99Ms, closedMedian(run, 'handler', format, P99_CONNECTIONS, 'p99Ms'))),
  ];
}

function overloadBars(run: BenchmarkRun, multiple: number, share: number): Bar[] {
  const load = `${multiple} × the peak offered`;
  const memory = ratio(overloadMemoryMiB(run, 'sluice', multiple), closedMedian(run, 'sluice', 'binary', P99_CONNECTIONS, 'peakMemoryMiB'));
  return [
    bar(`${load}: goodput over the peak`, 'at least', share, '×', goodputShare(run, 'sluice', multiple)),
    bar(`${load}: normal latency again`, 'at most', RECOVERY_MS, 'ms', recoveryMs(run, 'sluice', multiple)),
    bar(`${load}: memory over that at ${P99_CONNECTIONS} connections`, 'at most', OVERLOAD_MEMORY_TIMES_CLOSED, '×', memory),
  ];
}

function bar(name: string, comparison: Bar['comparison'], limit: number, unit: Bar['unit'], value: number | null): Bar {
  return { name, comparison, limit, unit, value, passed: value === null ? null : passes(comparison, value, limit) };
}

function passes(comparison: Bar['comparison'], value: number, limit: number): boolean {
  switch (comparison) {
    case 'at most': return value <= limit;
    case 'at least': return value >= limit;
    case 'above': return value > limit;
  }
}

function ratio(value: number | null, base: number | null): number | null {
  return value === null || base === null ? null : value / base;
}
