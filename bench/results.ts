/** What a run leaves behind: every trial as measured, and the medians that everything else is computed from. */
import type { ClosedLoopResult } from './load/closed-loop.ts';
import type { OpenLoopResult } from './load/open-loop.ts';
import type { BareResult } from './peers/bare.ts';
import type { BareScenario, ClosedLoopScenario, OverloadScenario, Selection, ServerName } from './scenarios.ts';
import { median } from './stats.ts';
import type { MachineFacts } from './system/machine.ts';
import type { WireFormat } from './wire.ts';

interface Round {
  /** From 1. */
  readonly round: number;
}

export type BareTrial = BareScenario & Round & BareResult;
/** `peakMemoryMiB`: highest sum of the proportional set sizes (PSS) of the server's process tree during the trial. */
export type ClosedLoopTrial = ClosedLoopScenario & Round & ClosedLoopResult & { readonly peakMemoryMiB: number };
export type OverloadTrial = OverloadScenario & Round & OpenLoopResult & { readonly peakPerSecond: number; readonly peakMemoryMiB: number };

export interface BenchmarkRun {
  readonly version: 1;
  readonly startedAt: string;
  readonly machine: MachineFacts;
  readonly selection: Selection;
  /** Servers that could not take part, with the reason. */
  readonly skipped: readonly { readonly server: ServerName; readonly reason: string }[];
  readonly bare: readonly BareTrial[];
  readonly closed: readonly ClosedLoopTrial[];
  readonly overload: readonly OverloadTrial[];
}

/** Median of one figure over the rounds; null where there is no such trial. */
function medianOf<Trial>(trials: readonly Trial[], figure: (trial: Trial) => number): number | null {
  return trials.length === 0 ? null : median(trials.map(figure));
}

type NumericKey<Trial> = { [Key in keyof Trial]: Trial[Key] extends number ? Key : never }[keyof Trial];

/** Median of a figure of the bare loop. */
export function bareMedian(run: BenchmarkRun, batch: number, figure: NumericKey<BareTrial>): number | null {
  return medianOf(run.bare.filter((trial) => trial.batch === batch), (trial) => trial[figure]);
}

/** Median of a figure of a server in the closed loop. */
export function closedMedian(
  run: BenchmarkRun, server: ServerName, format: WireFormat, connections: number, figure: NumericKey<ClosedLoopTrial>,
): number | null {
  const trials = run.closed.filter((trial) => trial.server === server && trial.format === format && trial.connections === connections);
  return medianOf(trials, (trial) => trial[figure]);
}

/** Trials of a server at a multiple of its peak. */
export function overloadTrials(run: BenchmarkRun, server: ServerName, multiple: number): OverloadTrial[] {
  return run.overload.filter((trial) => trial.server === server && trial.multiple === multiple);
}

/** Median goodput as a share of the server's peak. */
export function goodputShare(run: BenchmarkRun, server: ServerName, multiple: number): number | null {
  return medianOf(overloadTrials(run, server, multiple), (trial) => trial.goodputPerSecond / trial.peakPerSecond);
}

/** Median time to normal latency; Infinity where the middle round never came back, null without trials. */
export function recoveryMs(run: BenchmarkRun, server: ServerName, multiple: number): number | null {
  return medianOf(overloadTrials(run, server, multiple), (trial) => trial.recoveryMs ?? Infinity);
}

/** Highest memory of all rounds: a bound is not a median. */
export function overloadMemoryMiB(run: BenchmarkRun, server: ServerName, multiple: number): number | null {
  const trials = overloadTrials(run, server, multiple);
  return trials.length === 0 ? null : Math.max(...trials.map((trial) => trial.peakMemoryMiB));
}

/** The server's peak: its best median in the binary closed loop. Overload is a multiple of it. */
export function peakPerSecond(trials: readonly ClosedLoopTrial[], server: ServerName): number | null {
  const own = trials.filter((trial) => trial.server === server && trial.format === 'binary');
  const levels = [...new Set(own.map(({ connections }) => connections))];
  const medians = levels.map((level) => median(own.filter(({ connections }) => connections === level).map(({ requestsPerSecond }) => requestsPerSecond)));
  return medians.length === 0 ? null : Math.max(...medians);
}
