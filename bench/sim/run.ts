/**
 * `npm run sim`: Sluice's own gate, scheduler and batcher beside what others do, in simulated time. Prints each cell's goodput
 * over the best rival's, whose setting was chosen for that cell afterwards.
 */
import { parseArgs } from 'node:util';
import type { Cell } from './cell.ts';
import { cellName, grid } from './grid.ts';
import type { Score } from './ledger.ts';
import { runRival } from './rival-server.ts';
import { RIVALS } from './rivals.ts';
import { runSluice } from './sluice.ts';

interface CellResult {
  readonly name: string;
  readonly offered: number;
  readonly sluice: Score;
  /** The best setting of each rival. */
  readonly rivals: readonly { readonly rival: string; readonly setting: string; readonly score: Score }[];
}

const { values } = parseArgs({ options: { only: { type: 'string', default: '' }, verbose: { type: 'boolean' } } });
const results: CellResult[] = [];
for (const cell of grid(values.only)) {
  const result = runCell(cell);
  results.push(result);
  process.stdout.write(`${describe(result)}\n`);
}
summarise(results);

function runCell(cell: Cell): CellResult {
  const best = new Map<string, CellResult['rivals'][number]>();
  for (const setting of RIVALS) {
    const score = runRival(cell, setting);
    const known = best.get(setting.rival);
    if (known === undefined || score.goodput > known.score.goodput) best.set(setting.rival, { rival: setting.rival, setting: setting.setting, score });
  }
  const offered = (cell.arrivals.length * 1000) / cell.endMs;
  return { name: cellName(cell), offered, sluice: runSluice(cell), rivals: [...best.values()] };
}

function bestOf({ rivals }: CellResult): CellResult['rivals'][number] {
  return rivals.reduce((best, rival) => (rival.score.goodput > best.score.goodput ? rival : best));
}

function ratioOf(result: CellResult): number {
  return result.sluice.goodput / bestOf(result).score.goodput;
}

function describe(result: CellResult): string {
  const { rival, setting, score } = bestOf(result);
  const line = `${ratioOf(result).toFixed(3)}  ${result.name.padEnd(36)} offered ${result.offered.toFixed(0)}/s: ${short(result.sluice)}; best ${rival} (${setting}): ${short(score)}`;
  if (values.verbose !== true) return line;
  return [line, ...result.rivals.map((each) => `         ${each.rival} (${each.setting}): ${short(each.score)}`)].join('\n');
}

function short({ goodput, p50Ms, p99Ms, busyMsPerAnswer }: Score): string {
  return `${goodput.toFixed(0)}/s p50 ${p50Ms.toFixed(1)} p99 ${p99Ms.toFixed(1)} busy ${busyMsPerAnswer.toFixed(2)}`;
}

function summarise(all: readonly CellResult[]): void {
  const ratios = all.map(ratioOf);
  const mean = (values_: readonly number[]): number => Math.exp(values_.reduce((sum, value) => sum + Math.log(Math.max(value, 1e-6)), 0) / values_.length);
  process.stdout.write(`\n${all.length} cells; below 0.98 of the best rival: ${ratios.filter((ratio) => ratio < 0.98).length}; geometric mean over the best rival ${mean(ratios).toFixed(3)}\n`);
  for (const { rival } of all[0]?.rivals ?? []) {
    process.stdout.write(`  goodput over ${rival}, tuned for each cell: ${mean(all.map((result) => result.sluice.goodput / Math.max(1e-6, result.rivals.find((each) => each.rival === rival)?.score.goodput ?? 0))).toFixed(3)}\n`);
  }
}
