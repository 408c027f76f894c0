/**
 * `npm run bench:report [-- FILE]`: writes the tables of the newest full run, or of FILE, into the README between its
 * markers. With --check it only says whether they are there already.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from './paths.ts';
import type { BenchmarkRun } from './results.ts';
import { replaceBetweenMarkers } from './readme.ts';
import { renderTables } from './table.ts';

const RESULTS = join(ROOT, 'bench/results');
const README = join(ROOT, 'README.md');

try {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { check: { type: 'boolean' } } });
  const run = JSON.parse(readFileSync(positionals[0] ?? newestResult(), 'utf8')) as BenchmarkRun;
  const before = readFileSync(README, 'utf8');
  const after = replaceBetweenMarkers(before, renderTables(run));
  if (values.check !== true) writeFileSync(README, after);
  else if (before !== after) throw new Error('the benchmark tables of README.md are not those of the newest results: run `npm run bench:report`');
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

/** Names begin with the date. */
function newestResult(): string {
  const name = readdirSync(RESULTS).filter((file) => file.endsWith('.json')).sort().at(-1);
  if (name === undefined) throw new Error('bench/results holds no results: run `npm run bench` first');
  return join(RESULTS, name);
}
