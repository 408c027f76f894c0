/**
 * `npm run bench:policies`: Sluice's defaults beside fixed settings of its own, as others would configure them, on text
 * orientation with open-loop arrivals at shares and multiples of the peak. Goodput: right answers within the deadline, a second.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CORES } from '../scenarios.ts';
import { sluiceCommand } from '../servers.ts';
import { median } from '../stats.ts';
import { limitToCores } from '../system/affinity.ts';
import { openSession } from '../system/session.ts';
import { prepareDataset, runClosedLoopTrial, runOverloadTrial, type TrialContext } from '../trials.ts';
import { DEFAULT_POLICY, NO_BATCHING, writeModel, type Policy } from './models.ts';

const POLICIES: readonly Policy[] = [
  DEFAULT_POLICY,
  NO_BATCHING,
  { name: '32 rows or 5 ms', settings: { max_batch_size: 32, max_queue_delay_ms: 5, preferred_batch_sizes: [32] } },
  { name: '8 rows or 2 ms', settings: { max_batch_size: 8, max_queue_delay_ms: 2, preferred_batch_sizes: [8] } },
];
const LOADS = [0.5, 0.8, 0.95, 1.2, 2];
const MODEL = 'text-orientation';
const PEAK_CONNECTIONS = 64;

const { children, scratch } = openSession();

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '5' } } });
await main(Number(values.rounds), Number(values.seconds));

async function main(rounds: number, seconds: number): Promise<void> {
  limitToCores(CORES);
  await prepareDataset(children, scratch);
  const context: TrialContext = { children, dataset: scratch, seconds, warmUpSeconds: 3 };
  const commands = POLICIES.map((policy, index) => {
    const folder = join(scratch, `models-${index}`);
    writeModel(folder, MODEL, policy);
    return sluiceCommand(folder);
  });
  const peak = (await runClosedLoopTrial(context, commands[0]!, { kind: 'closed', server: 'sluice', format: 'binary', connections: PEAK_CONNECTIONS })).requestsPerSecond;
  print(`peak of the default, ${PEAK_CONNECTIONS} connections: ${peak.toFixed(0)}/s`);
  for (const load of LOADS) {
    const goodputs = POLICIES.map((): number[] => []);
    const p99s = POLICIES.map((): number[] => []);
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, command] of commands.entries()) {
        const result = await runOverloadTrial(context, command, { kind: 'overload', server: 'sluice', multiple: load }, peak);
        goodputs[index]!.push(result.goodputPerSecond);
        p99s[index]!.push(result.goodP99Ms);
      }
    }
    print(`${load} × the peak: ${POLICIES.map(({ name }, index) => `${name} ${median(goodputs[index]!).toFixed(0)}/s, p99 ${median(p99s[index]!).toFixed(0)} ms`).join('; ')}`);
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
