/** Runs one trial: a server in a process started for it, a generator in another, and what both cost. */
import type { ClosedLoopOptions, ClosedLoopResult } from './load/closed-loop.ts';
import type { OpenLoopOptions, OpenLoopResult } from './load/open-loop.ts';
import { compiled } from './paths.ts';
import type { BareOptions, BareResult } from './peers/bare.ts';
import { CORES, INPUTS, OVERLOAD } from './scenarios.ts';
import type { BareScenario, ClosedLoopScenario, OverloadScenario } from './scenarios.ts';
import type { ChildProcesses } from './system/child-processes.ts';
import { samplePeakMemory } from './system/memory-sampler.ts';
import { startServer } from './system/server-process.ts';
import type { ServerCommand } from './system/server-process.ts';

export interface TrialContext {
  readonly children: ChildProcesses;
  /** Folder of the data set. */
  readonly dataset: string;
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

const PREPARE_TIMEOUT_MS = 120_000;
const START_TIMEOUT_MS = 60_000;
/** Above everything that a generator waits for by itself: its start, its warm-up, its deadline. */
const GENERATOR_GRACE_MS = 60_000;

/** Writes the run's inputs, and what each must be answered, into a folder. */
export async function prepareDataset(children: ChildProcesses, folder: string): Promise<void> {
  await children.run({ file: process.execPath, args: [compiled('./inputs/prepare.js'), JSON.stringify({ folder, ...INPUTS })] }, PREPARE_TIMEOUT_MS);
}

/** @throws Error when an answer was wrong, or the loop failed. */
export async function runBareTrial(context: TrialContext, { batch }: BareScenario): Promise<BareResult> {
  const options: BareOptions = { ...loadTime(context), dataset: context.dataset, workers: CORES, batch };
  const result = (await runScript(context, './peers/bare.js', options, 0)) as BareResult;
  failOnWrongAnswers('bare loop', result.wrongAnswers);
  return result;
}

/** @throws Error when an answer was wrong, or the server or the generator failed. */
export async function runClosedLoopTrial(
  context: TrialContext, command: ServerCommand, { server, format, connections }: ClosedLoopScenario,
): Promise<ClosedLoopResult & { peakMemoryMiB: number }> {
  const result = await withServer(context, command, async (url, serverPid) => {
    const options: ClosedLoopOptions = { ...loadTime(context), url, dataset: context.dataset, format, connections, serverPid };
    return (await runScript(context, './load/closed-loop.js', options, 0)) as ClosedLoopResult;
  });
  failOnWrongAnswers(server, result.wrongAnswers);
  return result;
}

/** @throws Error when an answer was wrong, or the server or the generator failed. */
export async function runOverloadTrial(
  context: TrialContext, command: ServerCommand, { server, multiple }: OverloadScenario, peakPerSecond: number,
): Promise<OpenLoopResult & { peakMemoryMiB: number }> {
  const { deadlineMs, maxConnections, maxRecoverySeconds, seed } = OVERLOAD;
  const result = await withServer(context, command, async (url) => {
    const options: OpenLoopOptions = {
      ...loadTime(context), url, dataset: context.dataset, peakPerSecond, ratePerSecond: peakPerSecond * multiple,
      deadlineMs, maxConnections, maxRecoverySeconds, seed,
    };
    return (await runScript(context, './load/open-loop.js', options, maxRecoverySeconds * 1000)) as OpenLoopResult;
  });
  failOnWrongAnswers(server, result.wrongAnswers);
  return result;
}

async function withServer<Result extends object>(
  { children }: TrialContext, command: ServerCommand, measure: (url: string, pid: number) => Promise<Result>,
): Promise<Result & { peakMemoryMiB: number }> {
  // Once more where it didn't come up: half an hour of trials should not be lost to one bad start.
  const server = await startServer(children, command, START_TIMEOUT_MS).catch(async () => startServer(children, command, START_TIMEOUT_MS));
  const stopSampling = samplePeakMemory(server.pid);
  try {
    const result = await measure(server.url, server.pid);
    return { ...result, peakMemoryMiB: stopSampling() };
  } finally {
    stopSampling();
    await server.stop();
  }
}

async function runScript(context: TrialContext, script: string, options: object, extraMs: number): Promise<unknown> {
  const timeoutMs = (context.warmUpSeconds + context.seconds) * 1000 + extraMs + GENERATOR_GRACE_MS;
  return context.children.runForJson({ file: process.execPath, args: [compiled(script), JSON.stringify(options)] }, timeoutMs);
}

function loadTime({ seconds, warmUpSeconds }: TrialContext): { seconds: number; warmUpSeconds: number } {
  return { seconds, warmUpSeconds };
}

function failOnWrongAnswers(who: string, wrongAnswers: readonly string[]): void {
  if (wrongAnswers.length > 0) throw new Error(`${who} gave wrong answers:\n  ${wrongAnswers.join('\n  ')}`);
}
