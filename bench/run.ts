/** `npm run bench`: runs the trials round by round, prints the tables and the bars, and keeps the results. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { computeBars } from './bars.ts';
import { HELP, parseOptions } from './options.ts';
import type { Options } from './options.ts';
import { ROOT } from './paths.ts';
import { peakPerSecond } from './results.ts';
import type { BareTrial, BenchmarkRun, ClosedLoopTrial, OverloadTrial } from './results.ts';
import { closedLoopRound, CORES, isFullRun, overloadRound, SERVERS } from './scenarios.ts';
import type { ServerName } from './scenarios.ts';
import { prepareServer } from './servers.ts';
import { limitToCores } from './system/affinity.ts';
import { machineSlug, measureBusyShare, readMachineFacts } from './system/machine.ts';
import type { ServerCommand } from './system/server-process.ts';
import { openSession } from './system/session.ts';
import { renderBars, renderTables } from './table.ts';
import { prepareDataset, runBareTrial, runClosedLoopTrial, runOverloadTrial } from './trials.ts';
import type { TrialContext } from './trials.ts';

/** A generator that is later than this was not an open loop: the requests that it held back count as late answers. */
const GENERATOR_LATE_MS = 100;
/** Others may use this share of the cores before a warning is due. */
const IDLE_BELOW = 0.05;

const { children, scratch } = openSession();

try {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) print(HELP);
  else await main(options);
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function main({ selection, check }: Options): Promise<void> {
  limitToCores(CORES);
  const machine = readMachineFacts(await measureBusyShare());
  print(`${machine.cpu}, ${machine.coresUsed} of ${machine.cores} cores; load average ${machine.loadAverage.join(' ')}`);
  if (machine.busyBefore > IDLE_BELOW) print(`warning: others use ${Math.round(machine.busyBefore * 100)} % of the cores; numbers will be off`);

  const { commands, skipped } = await prepareServers(SERVERS.filter((name) => selection.contenders.includes(name)));
  await prepareDataset(children, scratch);
  const context: TrialContext = { children, dataset: scratch, seconds: selection.seconds, warmUpSeconds: selection.warmUpSeconds };

  const bare: BareTrial[] = [];
  const closed: ClosedLoopTrial[] = [];
  const overload: OverloadTrial[] = [];
  const run: BenchmarkRun = { version: 1, startedAt: new Date().toISOString(), machine, selection, skipped, bare, closed, overload };
  for (let round = 1; round <= selection.rounds; round += 1) {
    for (const scenario of closedLoopRound(selection)) {
      if (scenario.kind === 'bare') bare.push(report({ ...scenario, round, ...(await runBareTrial(context, scenario)) }));
      else {
        const command = commands.get(scenario.server);
        if (command !== undefined) closed.push(report({ ...scenario, round, ...(await runClosedLoopTrial(context, command, scenario)) }));
      }
    }
  }
  for (let round = 1; selection.overload && round <= selection.rounds; round += 1) {
    for (const scenario of overloadRound(selection)) {
      const command = commands.get(scenario.server);
      const peak = peakPerSecond(closed, scenario.server);
      if (command === undefined || peak === null) continue;
      overload.push(report({ ...scenario, round, peakPerSecond: peak, ...(await runOverloadTrial(context, command, scenario, peak)) }));
    }
  }
  finish(run, check);
}

async function prepareServers(names: readonly ServerName[]): Promise<{ commands: Map<ServerName, ServerCommand>; skipped: BenchmarkRun['skipped'] }> {
  const commands = new Map<ServerName, ServerCommand>();
  const skipped: { server: ServerName; reason: string }[] = [];
  for (const server of names) {
    try {
      commands.set(server, await prepareServer(server, children, scratch));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      skipped.push({ server, reason });
      print(`skipped ${server}: ${reason}`);
    }
  }
  return { commands, skipped };
}

/** Prints one trial on one line. */
function report<Trial extends BareTrial | ClosedLoopTrial | OverloadTrial>(trial: Trial): Trial {
  print(describeTrial(trial));
  return trial;
}

function describeTrial(trial: BareTrial | ClosedLoopTrial | OverloadTrial): string {
  switch (trial.kind) {
    case 'bare':
      return `round ${trial.round}  bare     batch ${trial.batch}: ${trial.itemsPerSecond.toFixed(0)} items/s, ${trial.cpuMsPerItem.toFixed(3)} CPU-ms`;
    case 'closed':
      return `round ${trial.round}  ${trial.server.padEnd(8)} ${trial.format} ${trial.connections}: ${trial.requestsPerSecond.toFixed(0)} requests/s, `
        + `p50 ${trial.p50Ms.toFixed(1)} ms, p99 ${trial.p99Ms.toFixed(1)} ms, ${trial.cpuMsPerRequest.toFixed(3)} CPU-ms `
        + `(generator ${trial.generatorCpuMsPerRequest.toFixed(3)}), ${trial.peakMemoryMiB.toFixed(0)} MiB, `
        + `${trial.non2xx} not 2xx, ${trial.connectionErrors} connection errors`;
    case 'overload':
      return `round ${trial.round}  ${trial.server.padEnd(8)} ${trial.multiple} × ${trial.peakPerSecond.toFixed(0)}/s: `
        + `goodput ${((100 * trial.goodputPerSecond) / trial.peakPerSecond).toFixed(1)} %, p99 ${trial.goodP99Ms.toFixed(0)} ms, `
        + `normal again ${trial.recoveryMs === null ? 'never' : `after ${trial.recoveryMs.toFixed(0)} ms`}, ${trial.peakMemoryMiB.toFixed(0)} MiB; `
        + `status ${JSON.stringify(trial.statusCounts)}, timed out ${trial.timedOut}, unsent ${trial.unsent}, errors ${JSON.stringify(trial.connectionErrors)}, `
        + `generator ${trial.generatorCpuMsPerRequest.toFixed(3)} CPU-ms, late by ${trial.generatorMaxLagMs.toFixed(0)} ms at most`;
  }
}

/** Results of a full run belong in the repository; those of a part of it in the build folder. */
function finish(run: BenchmarkRun, check: boolean): void {
  const folder = join(ROOT, isFullRun(run.selection) ? 'bench/results' : 'build/bench/results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${run.startedAt.slice(0, 10)}-${machineSlug(run.machine.cpu, run.machine.coresUsed)}.json`);
  writeFileSync(file, `${JSON.stringify(run, null, 2)}\n`);
  const bars = computeBars(run);
  print(`\n${renderTables(run)}\n\n${renderBars(run)}\n\nResults: ${relative(process.cwd(), file)}`);
  const late = run.overload.filter(({ generatorMaxLagMs }) => generatorMaxLagMs > GENERATOR_LATE_MS);
  if (late.length > 0) print(`warning: in ${late.length} of ${run.overload.length} overload trials the generator was late by more than ${GENERATOR_LATE_MS} ms; their goodput is too low`);
  if (check && bars.some(({ passed }) => passed !== true)) process.exitCode = 1;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
