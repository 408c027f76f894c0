/**
 * `npm run bench:batching`: is batching as Sluice does it by itself ever slower than none? Two servers, one with its defaults
 * and one with `max_batch_size: 1`, get the same closed-loop load in turns, on every bundled model. Exits with 1 where the
 * default falls behind by more than 3 %.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CONNECTIONS, CORES } from '../scenarios.ts';
import { sluiceCommand } from '../servers.ts';
import { median } from '../stats.ts';
import { limitToCores } from '../system/affinity.ts';
import { startServer } from '../system/server-process.ts';
import { openSession } from '../system/session.ts';
import { drawRequests, expectedAnswers, measureThroughput } from './closed-loop.ts';
import { BUNDLED_ROWS, DEFAULT_POLICY, NO_BATCHING, writeModels } from './models.ts';

/** Behind by more than this is slower. */
const ALLOWED_LOSS = 0.03;
const START_TIMEOUT_MS = 120_000;
const SEED = 5;

const { children, scratch } = openSession();

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, seconds: { type: 'string', default: '2' }, models: { type: 'string', default: Object.keys(BUNDLED_ROWS).join(',') } },
});
await main(values.models.split(','), Number(values.rounds), Number(values.seconds));

async function main(models: readonly string[], rounds: number, seconds: number): Promise<void> {
  limitToCores(CORES);
  const servers: { readonly name: string; readonly url: URL }[] = [];
  for (const [index, policy] of [DEFAULT_POLICY, NO_BATCHING].entries()) {
    const folder = join(scratch, String(index));
    writeModels(folder, policy);
    servers.push({ name: policy.name, url: new URL((await startServer(children, sluiceCommand(folder), START_TIMEOUT_MS)).url) });
  }
  let behind = 0;
  for (const model of models) {
    const shape = BUNDLED_ROWS[model];
    if (shape === undefined) throw new Error(`--models takes ${Object.keys(BUNDLED_ROWS).join(', ')}, got "${model}"`);
    for (const connections of CONNECTIONS) {
      const measured = await compare(servers.map(({ url }) => url), model, shape, connections, rounds, seconds);
      const ratio = median(measured.map(([ours = 0, other = 1]) => ours / other));
      const late = ratio < 1 - ALLOWED_LOSS;
      if (late) behind += 1;
      const rates = servers.map(({ name }, server) => `${name} ${median(measured.map((rates_) => rates_[server] ?? 0)).toFixed(0)}/s`).join(', ');
      print(`${model.padEnd(17)} ${String(connections).padStart(3)} connections: ${rates}; ratio ${ratio.toFixed(3)}${late ? '  BEHIND' : ''}`);
    }
  }
  print(behind === 0 ? `never behind by more than ${100 * ALLOWED_LOSS} %` : `behind by more than ${100 * ALLOWED_LOSS} % in ${behind} cases`);
  if (behind > 0) process.exitCode = 1;
  process.exit();
}

/** Rates of each server, round by round: in a row of slices, each server's neighbours are the others'. The first is warm-up. */
async function compare(urls: readonly URL[], model: string, shape: readonly number[], connections: number, rounds: number, seconds: number): Promise<number[][]> {
  const loads = await Promise.all(urls.map(async (url) => {
    const requests = drawRequests(url, model, shape, SEED);
    return { url, requests, expected: await expectedAnswers(url, requests) };
  }));
  const measured: number[][] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const rates: number[] = [];
    for (const { url, requests, expected } of loads) rates.push(await measureThroughput(url, requests, expected, connections, seconds));
    if (round > 0) measured.push(rates);
  }
  return measured;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
