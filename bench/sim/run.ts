/**
 * `npm run bench:sim`: Sluice's own gate, scheduler and batcher beside what others do, in simulated time. A full run writes
 * bench/results/simulation.md and .svg; the same code gives the same figures on any machine.
 */
import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../paths.ts';
import { cellName, grid } from './grid.ts';
import { renderReport, summarise, type CellResult } from './report.ts';
import { renderPlot, type Panel } from './plot.ts';
import { runRival } from './rival-server.ts';
import { RIVALS } from './rivals.ts';
import { runSluice } from './sluice.ts';
import type { Cell } from './cell.ts';

const HELP = `Usage: npm run bench:sim -- [options]

  --only TEXT   cells whose name holds it, e.g. "bursts gpu-t4" ("workload curve load × devices"); nothing is written then
  --rivals      every rival's best setting for each cell, not only the best rival's
  --help
`;
/** Panels of the plot: load against goodput, Poisson arrivals on this many devices. */
const PLOTTED_DEVICES = 2;

const { values } = parseArgs({ options: { only: { type: 'string' }, rivals: { type: 'boolean' }, help: { type: 'boolean' } } });
if (values.help === true) print(HELP);
else main(values.only);

function main(only: string | undefined): void {
  const results: CellResult[] = [];
  for (const cell of grid(only ?? '')) {
    const result = runCell(cell);
    results.push(result);
    print(describe(result));
  }
  if (results.length === 0) throw new Error(`no cell's name holds "${only ?? ''}"`);
  print(`\n${summarise(results)}`);
  if (only !== undefined) return;
  const file = join(ROOT, 'bench/results/simulation.md');
  writeFileSync(file, renderReport(results));
  writeFileSync(file.replace(/md$/, 'svg'), renderPlot(panels(results), 'load over capacity', 'answers in time over capacity'));
  print(`\nResults: ${relative(process.cwd(), file)}`);
}

function runCell(cell: Cell): CellResult {
  const best = new Map<string, CellResult['rivals'][number]>();
  for (const setting of RIVALS) {
    const score = runRival(cell, setting);
    const known = best.get(setting.rival);
    if (known === undefined || score.goodput > known.score.goodput) best.set(setting.rival, { rival: setting.rival, setting: setting.setting, score });
  }
  const offered = (cell.arrivals.length * 1000) / cell.endMs;
  return { name: cellName(cell), workload: cell.workload, curve: cell.curve, load: cell.load, devices: cell.devices.length, offered, sluice: runSluice(cell), rivals: [...best.values()] };
}

function describe(result: CellResult): string {
  const [best, ...others] = result.rivals.toSorted((a, b) => b.score.goodput - a.score.goodput);
  if (best === undefined) throw new Error('there are no rivals');
  const line = `${(result.sluice.goodput / best.score.goodput).toFixed(3)}  ${result.name.padEnd(36)} ${result.sluice.goodput.toFixed(0)}/s, p99 ${result.sluice.p99Ms.toFixed(0)} ms; `
    + `${best.rival} (${best.setting}): ${best.score.goodput.toFixed(0)}/s, p99 ${best.score.p99Ms.toFixed(0)} ms`;
  if (values.rivals !== true) return line;
  return [line, ...others.map(({ rival, setting, score }) => `         ${rival} (${setting}): ${score.goodput.toFixed(0)}/s, p99 ${score.p99Ms.toFixed(0)} ms`)].join('\n');
}

function panels(results: readonly CellResult[]): Panel[] {
  const shown = results.filter(({ workload, devices }) => workload === 'poisson' && devices === PLOTTED_DEVICES);
  const capacityOf = (result: CellResult): number => result.offered / result.load;
  return [...new Set(shown.map(({ curve }) => curve))].map((curve) => {
    const cells = shown.filter((result) => result.curve === curve);
    const rivals = cells[0]?.rivals.map(({ rival }) => rival) ?? [];
    const goodputOf = (result: CellResult, rival: string): number => result.rivals.find((each) => each.rival === rival)?.score.goodput ?? 0;
    return {
      title: curve,
      lines: [
        { name: 'Sluice', points: cells.map((result) => [result.load, result.sluice.goodput / capacityOf(result)] as const) },
        ...rivals.map((rival) => ({ name: rival, points: cells.map((result) => [result.load, goodputOf(result, rival) / capacityOf(result)] as const) })),
      ],
    };
  });
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
