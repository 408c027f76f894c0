/** Markdown of a run: the README's tables, and the bars. */
import { computeBars } from './bars.ts';
import type { Bar } from './bars.ts';
import { bareMedian, closedMedian, goodputShare, overloadMemoryMiB, overloadTrials, recoveryMs } from './results.ts';
import type { BenchmarkRun, ClosedLoopTrial } from './results.ts';
import { BARE_BATCHES, OVERLOAD, SERVERS } from './scenarios.ts';
import type { ServerName } from './scenarios.ts';
import { relativeSpread } from './stats.ts';
import type { WireFormat } from './wire.ts';

const LABELS: Readonly<Record<ServerName, string>> = {
  handler: 'Fastify, onnxruntime-node in the handler',
  piscina: 'Fastify + Piscina, a task a request',
  fastapi: 'FastAPI, 2 uvicorn processes, orjson',
  sluice: '**Sluice**',
};

const FORMAT_LABELS: Readonly<Record<WireFormat, string>> = { binary: 'Binary tensors, 110 KB', json: 'JSON, 540 KB' };
const MISSING = '–';

/** The tables of a run, with the machine that it ran on. */
export function renderTables(run: BenchmarkRun): string {
  const { machine, selection } = run;
  const facts = `${machine.cpu}, ${machine.coresUsed} of ${machine.cores} cores with the load generator beside, ${machine.memoryGiB} GiB, `
    + `${machine.kernel}; Node ${machine.node}, onnxruntime ${machine.onnxruntime}; commit ${machine.commit}, ${run.startedAt.slice(0, 10)}.`;
  const method = `Medians of ${selection.rounds} rounds of ${selection.seconds} s (±${percent(worstSpread(run))} of throughput at most); `
    + 'every answer checked. CPU-ms: CPU time of the server\'s whole process tree over the requests answered. '
    + 'Memory: highest sum of proportional set sizes (PSS).';
  const formats = selection.formats.map((format) => `${FORMAT_LABELS[format]}:\n\n${closedTable(run, format)}`);
  const overload = run.overload.length === 0 ? [] : [`Overload (binary, open loop, deadline ${OVERLOAD.deadlineMs / 1000} s), as multiples of each server's own peak:\n\n${overloadTable(run)}`];
  const skipped = run.skipped.map(({ server, reason }) => `Not measured: ${server} (${reason.split('\n')[0]}).`);
  return [facts, method, ...formats, ...overload, ...skipped].join('\n\n');
}

/** The bars with pass or fail, one line each. */
export function renderBars(run: BenchmarkRun): string {
  return table(['bar', 'limit', 'measured', ''], computeBars(run).map((bar) => [
    bar.name,
    `${bar.comparison} ${quantity(bar.limit, bar.unit)}`,
    bar.value === null ? MISSING : quantity(bar.value, bar.unit),
    bar.passed === null ? 'not measured' : bar.passed ? 'pass' : '**FAIL**',
  ]));
}

function closedTable(run: BenchmarkRun, format: WireFormat): string {
  const levels = run.selection.connections;
  const heads = ['requests/s', 'p50 ms', 'p99 ms', 'CPU-ms', 'memory MiB'].map((name) => `${name} at ${levels.join(' · ')}`);
  const figures = [
    ['requestsPerSecond', 0], ['p50Ms', 1], ['p99Ms', 1], ['cpuMsPerRequest', 2], ['peakMemoryMiB', 0],
  ] as const satisfies readonly (readonly [keyof ClosedLoopTrial, number])[];
  const rows = SERVERS.filter((server) => run.closed.some((trial) => trial.server === server && trial.format === format)).map((server) => [
    LABELS[server],
    ...figures.map(([figure, digits]) => levels.map((level) => decimal(closedMedian(run, server, format, level, figure), digits)).join(' · ')),
  ]);
  const limits = format !== 'binary' || run.bare.length === 0 ? [] : BARE_BATCHES.map((batch) => [
    `*Bare loop, 2 processes, batch ${batch}: the limit*`,
    decimal(bareMedian(run, batch, 'itemsPerSecond'), 0), MISSING, MISSING, decimal(bareMedian(run, batch, 'cpuMsPerItem'), 2), MISSING,
  ]);
  return table(['', ...heads], [...rows, ...limits]);
}

function overloadTable(run: BenchmarkRun): string {
  const { multiples } = OVERLOAD;
  const at = (render: (multiple: number) => string): string => multiples.map(render).join(' · ');
  const label = multiples.map((multiple) => `${multiple} ×`).join(' · ');
  const servers = SERVERS.filter((server) => multiples.some((multiple) => overloadTrials(run, server, multiple).length > 0));
  return table(['', `goodput at ${label}, share of the peak`, 'normal latency again', 'memory MiB'], servers.map((server) => [
    LABELS[server],
    at((multiple) => percent(goodputShare(run, server, multiple))),
    at((multiple) => duration(recoveryMs(run, server, multiple))),
    at((multiple) => decimal(overloadMemoryMiB(run, server, multiple), 0)),
  ]));
}

/** The largest ± of throughput over the rounds of any server and load. */
function worstSpread(run: BenchmarkRun): number {
  const groups = new Map<string, number[]>();
  for (const { server, format, connections, requestsPerSecond } of run.closed) {
    const key = `${server} ${format} ${connections}`;
    groups.set(key, [...(groups.get(key) ?? []), requestsPerSecond]);
  }
  return Math.max(0, ...[...groups.values()].map(relativeSpread));
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

function quantity(value: number, unit: Bar['unit']): string {
  return unit === 'ms' ? duration(value) : `${decimal(value, 2)} ×`;
}

function duration(ms: number | null): string {
  if (ms === null) return MISSING;
  return Number.isFinite(ms) ? `${decimal(ms / 1000, 2)} s` : `> ${OVERLOAD.maxRecoverySeconds} s`;
}

function percent(share: number | null): string {
  return share === null ? MISSING : `${Math.round(share * 100)} %`;
}

function decimal(value: number | null, digits: number): string {
  return value === null || Number.isNaN(value)
    ? MISSING
    : value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
