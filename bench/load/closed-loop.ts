/**
 * Process: closed-loop load with autocannon. Every connection sends its own share of the inputs in turn, byte for byte,
 * and every answer is checked. Only answers that complete inside the window after the warm-up are counted; the CPU time
 * of the server's tree is read at both ends of that same window.
 * Arguments: one JSON object, {@link ClosedLoopOptions}. Prints {@link ClosedLoopResult}.
 */
import autocannon from 'autocannon';
import { readDataset } from '../inputs/dataset.ts';
import type { Dataset } from '../inputs/dataset.ts';
import { percentile } from '../stats.ts';
import { readTreeCpuMs } from '../system/process-tree.ts';
import { binaryBody, INFER_PATH, requestHeaders } from '../wire.ts';
import type { WireFormat } from '../wire.ts';
import { AnswerCheck } from './answer-check.ts';

export interface ClosedLoopOptions {
  readonly url: string;
  readonly dataset: string;
  readonly format: WireFormat;
  readonly connections: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** Root of the server's process tree. */
  readonly serverPid: number;
}

export interface ClosedLoopResult {
  /** Right answers a second. */
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of the server's whole process tree over all requests that were answered. */
  readonly cpuMsPerRequest: number;
  /** CPU time of this generator, which shares the cores. */
  readonly generatorCpuMsPerRequest: number;
  readonly non2xx: number;
  readonly connectionErrors: number;
  readonly wrongAnswers: string[];
}

/** Longest wait for one answer: the handler server keeps some requests for seconds at 64 connections. */
const TIMEOUT_SECONDS = 30;

const options = JSON.parse(process.argv[2] ?? '{}') as ClosedLoopOptions;
process.stdout.write(`${JSON.stringify(await runClosedLoop(options, readDataset(options.dataset)))}\n`);

async function runClosedLoop(load: ClosedLoopOptions, dataset: Dataset): Promise<ClosedLoopResult> {
  const check = new AnswerCheck(dataset);
  const latenciesMs: number[] = [];
  let measuring = false;
  let non2xx = 0;
  let connectionErrors = 0;
  let connection = 0;

  const stop = startAutocannon({
    url: new URL(INFER_PATH, load.url).href,
    connections: load.connections,
    duration: load.warmUpSeconds + load.seconds + 60, // stopped below, at the end of the window
    timeout: TIMEOUT_SECONDS,
    method: 'POST',
    sampleInt: 100,
    // Given here and not in `requests`: autocannon copies that array, bodies and all, for every connection.
    setupClient(client) {
      client.setRequests(shareOfInputs(dataset, load, connection, check));
      connection += 1;
      check.watch(client);
      client.on('response', (status, _bytes, responseMs) => {
        if (status < 200 || status > 299) non2xx += 1;
        else if (measuring) latenciesMs.push(responseMs);
      });
    },
  }, () => { connectionErrors += 1; });

  await sleep(load.warmUpSeconds * 1000);
  const before = readUsage(load.serverPid);
  measuring = true;
  await sleep(load.seconds * 1000);
  measuring = false;
  const after = readUsage(load.serverPid);
  await stop();

  const answered = latenciesMs.length;
  const sorted = Float64Array.from(latenciesMs).sort();
  return {
    requestsPerSecond: (answered * 1000) / (after.atMs - before.atMs),
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    cpuMsPerRequest: (after.serverCpuMs - before.serverCpuMs) / answered,
    generatorCpuMsPerRequest: (after.ownCpuMs - before.ownCpuMs) / answered,
    non2xx,
    connectionErrors,
    wrongAnswers: check.problems,
  };
}

/** Starts the load; the function that it returns ends it and waits for its end. */
function startAutocannon(settings: autocannon.Options, onError: () => void): () => Promise<void> {
  let stop = (): void => undefined;
  const ended = new Promise<void>((resolve, reject) => {
    const instance = autocannon(settings, (error: Error | null) => {
      if (error === null) resolve();
      else reject(error);
    });
    instance.on('reqError', onError);
    stop = () => { instance.stop(); };
  });
  return async () => {
    stop();
    await ended;
  };
}

/** Connection `index` of n takes inputs index, index + n, …: all inputs are in flight over time, none twice at once. */
function shareOfInputs(dataset: Dataset, { format, connections }: ClosedLoopOptions, index: number, check: AnswerCheck): autocannon.Request[] {
  const share: autocannon.Request[] = [];
  for (let input = index % connections; input < dataset.count; input += connections) {
    const body = format === 'json' ? dataset.jsonBody(input) : binaryBody(dataset.row(input));
    share.push({ method: 'POST', headers: requestHeaders(format), body, onResponse: check.marker(input) });
  }
  return share;
}

function readUsage(serverPid: number): { atMs: number; serverCpuMs: number; ownCpuMs: number } {
  const own = process.cpuUsage();
  return { atMs: performance.now(), serverCpuMs: readTreeCpuMs(serverPid), ownCpuMs: (own.user + own.system) / 1000 };
}

async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
