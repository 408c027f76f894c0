/**
 * Process: open-loop load. Warms the server up at half of its peak, measures the latency of single requests, then sends
 * Poisson arrivals at the asked rate, and at last times how long single requests need to be as fast as before.
 * Arguments: one JSON object, {@link OpenLoopOptions}. Prints {@link OpenLoopResult}.
 */
import { readDataset } from '../inputs/dataset.ts';
import { median, percentile } from '../stats.ts';
import { OpenLoopPhase } from './open-loop-phase.ts';
import type { OpenLoopSettings, OpenLoopTarget } from './open-loop-phase.ts';
import { Prober } from './prober.ts';
import { findRecoveryMs, NORMAL_LATENCY_RATIO } from './recovery.ts';
import type { Probe } from './recovery.ts';
import { buildRequests } from './requests.ts';

export interface OpenLoopOptions extends OpenLoopSettings {
  readonly url: string;
  readonly dataset: string;
  /** The server's peak in a closed loop, answers a second. */
  readonly peakPerSecond: number;
  readonly warmUpSeconds: number;
  readonly maxRecoverySeconds: number;
}

export interface OpenLoopResult {
  readonly offeredPerSecond: number;
  /** Right answers within the deadline, a second. */
  readonly goodputPerSecond: number;
  readonly goodP50Ms: number;
  readonly goodP99Ms: number;
  readonly unloadedP50Ms: number;
  /** From the last arrival until latency was normal again; null where it was not within `maxRecoverySeconds`. */
  readonly recoveryMs: number | null;
  readonly statusCounts: Readonly<Record<string, number>>;
  readonly timedOut: number;
  readonly unsent: number;
  readonly connectionErrors: Readonly<Record<string, number>>;
  readonly generatorMaxLagMs: number;
  readonly generatorCpuMsPerRequest: number;
  readonly wrongAnswers: string[];
}

const WARM_UP_SHARE_OF_PEAK = 0.5;
const UNLOADED_PROBES = 50;

const options = JSON.parse(process.argv[2] ?? '{}') as OpenLoopOptions;
process.stdout.write(`${JSON.stringify(await runOpenLoop(options))}\n`);

async function runOpenLoop(load: OpenLoopOptions): Promise<OpenLoopResult> {
  const url = new URL(load.url);
  const dataset = readDataset(load.dataset);
  const requests = buildRequests(dataset, url, { 'Request-Timeout': String(load.deadlineMs / 1000) });
  const target: OpenLoopTarget = { url, dataset, requests };

  const warmUp = new OpenLoopPhase(target, {
    ...load,
    ratePerSecond: load.peakPerSecond * WARM_UP_SHARE_OF_PEAK,
    seconds: load.warmUpSeconds,
  });
  await warmUp.run().settled;
  const prober = new Prober(target, load.deadlineMs);
  const unloadedP50Ms = await measureUnloaded(prober, load.deadlineMs);

  const phase = new OpenLoopPhase(target, load);
  const cpuBefore = process.cpuUsage();
  const { lastArrival, settled } = phase.run();
  await lastArrival;
  const cpu = process.cpuUsage(cpuBefore);
  const recoveryMs = await measureRecovery(prober, unloadedP50Ms * NORMAL_LATENCY_RATIO, load.maxRecoverySeconds * 1000);
  await settled;

  const inTime = Float64Array.from(phase.goodLatenciesMs.filter((latencyMs) => latencyMs <= load.deadlineMs)).sort();
  return {
    offeredPerSecond: phase.offered / load.seconds,
    goodputPerSecond: inTime.length / load.seconds,
    goodP50Ms: percentile(inTime, 0.5),
    goodP99Ms: percentile(inTime, 0.99),
    unloadedP50Ms,
    recoveryMs,
    statusCounts: phase.statusCounts,
    timedOut: phase.timedOut,
    unsent: phase.unsent,
    connectionErrors: phase.connectionErrors,
    generatorMaxLagMs: phase.maxLagMs,
    generatorCpuMsPerRequest: (cpu.user + cpu.system) / 1000 / phase.offered,
    wrongAnswers: [...warmUp.wrongAnswers, ...phase.wrongAnswers, ...prober.wrongAnswers],
  };
}

async function measureUnloaded(prober: Prober, deadlineMs: number): Promise<number> {
  const latenciesMs: number[] = [];
  for (let count = 0; count < UNLOADED_PROBES; count += 1) {
    latenciesMs.push((await prober.probe()) ?? deadlineMs);
    await prober.pause();
  }
  return median(latenciesMs);
}

async function measureRecovery(prober: Prober, limitMs: number, giveUpMs: number): Promise<number | null> {
  const probes: Probe[] = [];
  const startMs = performance.now();
  let recoveryMs: number | null = null;
  while (recoveryMs === null && performance.now() - startMs < giveUpMs) {
    const latencyMs = await prober.probe();
    probes.push({ atMs: performance.now() - startMs, latencyMs });
    recoveryMs = findRecoveryMs(probes, limitMs);
    await prober.pause();
  }
  return recoveryMs;
}
