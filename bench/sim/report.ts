/** What a run of the simulator says, in words and tables. */
import { median } from '../stats.ts';
import { CURVES } from './curves.ts';
import type { Score } from './ledger.ts';

export interface CellResult {
  readonly name: string;
  readonly workload: string;
  readonly curve: string;
  readonly load: number;
  readonly devices: number;
  /** Requests a second. */
  readonly offered: number;
  readonly sluice: Score;
  /** The best setting of each rival. */
  readonly rivals: readonly { readonly rival: string; readonly setting: string; readonly score: Score }[];
}

/** Below this share of the best rival's goodput a cell counts as lost. */
const EQUAL = 0.98;
/** A rival that answers nothing counts as this share, or no mean could be taken. */
const LEAST = 1e-3;

function bestOf({ rivals }: CellResult): CellResult['rivals'][number] {
  return rivals.reduce((best, rival) => (rival.score.goodput > best.score.goodput ? rival : best));
}

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

function ratio(ours: number, other: number): number {
  return Math.max(ours, LEAST) / Math.max(other, ours * LEAST, LEAST);
}

/** The figures that the project is measured by. */
export function summarise(results: readonly CellResult[]): string {
  const overBest = results.map((result) => ratio(result.sluice.goodput, bestOf(result).score.goodput));
  const lost = overBest.filter((each) => each < EQUAL).length;
  const lines = [
    `${results.length} cells. Answers in time over those of the best rival in its best setting for the cell: geometric mean ${geometricMean(overBest).toFixed(3)}, `
    + `least ${Math.min(...overBest).toFixed(3)}; below ${EQUAL} in ${lost}.`,
  ];
  const errors = results.map(({ sluice }) => sluice.predictionError);
  lines.push(`- error of the predicted start (over the wait, or 25 ms): median ${(100 * median(errors.map((error) => error.median))).toFixed(0)} %, 90th percentile ${(100 * median(errors.map((error) => error.p90))).toFixed(0)} %, as medians over the cells`);
  for (const { rival } of results[0]?.rivals ?? []) {
    const over = geometricMean(results.map((result) => ratio(result.sluice.goodput, result.rivals.find((each) => each.rival === rival)?.score.goodput ?? 0)));
    lines.push(`- over ${rival}, in its best setting for each cell: ${over < 10 ? over.toFixed(2) : over.toFixed(0)} ×`);
  }
  return lines.join('\n');
}

/** The whole table, as Markdown. */
export function renderReport(results: readonly CellResult[]): string {
  const rows = results.map((result) => {
    const { rival, setting, score } = bestOf(result);
    const { sluice } = result;
    return `| ${result.workload} | ${result.curve} | ${result.load} | ${result.devices} | ${result.offered.toFixed(0)} | ${figures(sluice)} | ${rival}${setting === '' ? '' : ` (${setting})`} | ${figures(score)} | ${ratio(sluice.goodput, score.goodput).toFixed(3)} |`;
  });
  return [
    '# Simulation',
    '',
    'Made by `npm run bench:sim` (bench/sim): the gate, scheduler and batcher of `src/` with a simulated clock, beside rivals written from their published',
    'rules. Each rival runs in many settings, with and without a bound of its queue, and the best for the cell is shown; Sluice has no setting. Goodput: answers',
    'within their deadline, a second. Load: offered work over what the devices can do at their best batch size.',
    '',
    summarise(results),
    '',
    '![goodput over load](simulation.svg)',
    '',
    ...CURVES.map(({ name, source, sizes, ms, deadlineMs }) => `- \`${name}\`: ${sizes.map((size, index) => `${size}: ${ms[index]!}`).join(', ')} ms; deadline ${deadlineMs} ms; ${source}.`),
    '',
    '| workload | curve | load | devices | offered/s | Sluice: goodput/s | p50 ms | p99 ms | device ms an answer | best rival | goodput/s | p50 ms | p99 ms | device ms an answer | ratio |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
    '',
  ].join('\n');
}

function figures({ goodput, p50Ms, p99Ms, busyMsPerAnswer }: Score): string {
  return `${goodput.toFixed(0)} | ${p50Ms.toFixed(1)} | ${p99Ms.toFixed(1)} | ${busyMsPerAnswer.toFixed(2)}`;
}
