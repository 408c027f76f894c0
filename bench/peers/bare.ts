/**
 * The limit: onnxruntime-node in a bare loop, without HTTP, in `workers` processes of 1 intra-op thread each. This file
 * is both the process that starts them and, forked by it, the worker. Every answer is checked here as well.
 * Arguments: one JSON object, {@link BareOptions}. Prints {@link BareResult}.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { readDataset } from '../inputs/dataset.ts';
import type { Dataset } from '../inputs/dataset.ts';
import { MODEL_FILE } from '../paths.ts';
import { compareAnswer, INPUT_NAME, OUTPUT_NAME, ROW_SHAPE } from '../wire.ts';

export interface BareOptions {
  readonly dataset: string;
  readonly workers: number;
  readonly batch: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

export interface BareResult {
  readonly itemsPerSecond: number;
  readonly cpuMsPerItem: number;
  readonly wrongAnswers: string[];
}

interface WorkerResult {
  readonly items: number;
  readonly elapsedMs: number;
  readonly cpuMs: number;
  readonly wrongAnswers: string[];
}

const options = JSON.parse(process.argv[2] ?? '{}') as BareOptions;
if (process.send === undefined) process.stdout.write(`${JSON.stringify(await runWorkers())}\n`);
else await work((message) => process.send?.(message));

async function runWorkers(): Promise<BareResult> {
  const [, script = '', argument = ''] = process.argv;
  const workers = Array.from({ length: options.workers }, () => fork(script, [argument]));
  const nextMessages = async (): Promise<unknown[]> =>
    Promise.all(workers.map(async (worker) => {
      const [message] = (await Promise.race([
        once(worker, 'message'),
        once(worker, 'exit').then(([code]) => { throw new Error(`a worker of the bare loop ended with ${code}`); }),
      ])) as unknown[];
      return message;
    }));
  await nextMessages(); // all are loaded; now they start together
  for (const worker of workers) worker.send('go');
  const results = (await nextMessages()) as WorkerResult[];
  const items = results.reduce((sum, result) => sum + result.items, 0);
  return {
    itemsPerSecond: results.reduce((sum, result) => sum + (result.items * 1000) / result.elapsedMs, 0),
    cpuMsPerItem: results.reduce((sum, result) => sum + result.cpuMs, 0) / items,
    wrongAnswers: results.flatMap(({ wrongAnswers }) => wrongAnswers),
  };
}

async function work(send: (message: unknown) => void): Promise<void> {
  const dataset = readDataset(options.dataset);
  const session = await InferenceSession.create(MODEL_FILE, { intraOpNumThreads: 1 });
  send('loaded');
  await once(process, 'message');
  await loop(session, dataset, options.warmUpSeconds);
  send(await loop(session, dataset, options.seconds));
  process.disconnect();
}

async function loop(session: InferenceSession, dataset: Dataset, seconds: number): Promise<WorkerResult> {
  const wrongAnswers: string[] = [];
  const shape = [options.batch, ...ROW_SHAPE.slice(1)];
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  let items = 0;
  let elapsedMs = 0;
  while (elapsedMs < seconds * 1000) {
    const first = items % (dataset.count - options.batch + 1);
    const outputs = await session.run({ [INPUT_NAME]: new Tensor('float32', dataset.rows(first, options.batch), shape) });
    const answers = (outputs[OUTPUT_NAME]!).data as Float32Array;
    for (let row = 0; row < options.batch; row += 1) {
      const problem = compareAnswer([...answers.subarray(row * 2, row * 2 + 2)], dataset.expected(first + row));
      if (problem !== null) wrongAnswers.push(`row ${first + row} in a batch of ${options.batch}: ${problem}`);
    }
    items += options.batch;
    elapsedMs = performance.now() - start;
  }
  const cpu = process.cpuUsage(cpuBefore);
  return { items, elapsedMs, cpuMs: (cpu.user + cpu.system) / 1000, wrongAnswers: wrongAnswers.slice(0, 5) };
}
