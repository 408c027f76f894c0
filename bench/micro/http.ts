/**
 * CPU of the HTTP front per request, by itself: the real server, codec, arena and store on a pipeline that answers at once
 * with 8 bytes. The load comes from a second process, so that process.cpuUsage() here is the front's alone.
 *
 *   npx tsc -p bench/micro && node --initial-old-space-size=256 --max-semi-space-size=32 --no-parallel-scavenge .cache/micro/bench/micro/http.js
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import { systemClock } from '../../src/contracts/clock.ts';
import type { Backlog, Job, Pipeline } from '../../src/contracts/job.ts';
import type { ServingModel } from '../../src/contracts/model.ts';
import type { HttpDeps } from '../../src/http/ports.ts';
import { buildServer } from '../../src/http/server.ts';
import { createArena } from '../../src/arena/arena.ts';
import { createMemory } from '../../src/arena/memory.ts';
import { loadNative } from '../../src/native/load.ts';
import { createRequestStore } from '../../src/results/store.ts';

const SHAPE = [1, 3, 48, 192];
const ELEMENTS = 3 * 48 * 192;
const ARENA_BYTES = 256 * 1024 * 1024;
const WARMUP = 3000;
const REQUESTS = 20_000;
const CONNECTIONS = 16;
const ROUNDS = 3;
const ADDON = fileURLToPath(new URL('../../../../build/Release/sluice.node', import.meta.url));

const MODEL: ServingModel = {
  key: 'orientation/1', name: 'orientation', version: '1',
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3, 48, 192] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
  batching: { batchable: true, reason: 'measured', inputAxes: [0], outputAxes: [0] },
  policy: { maxBatchSize: null, maxQueueDelayMs: null, preferredBatchSizes: null }, concurrency: null, dynamicShapes: false,
};

interface Body {
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

function binaryBody(): Body {
  const json = Buffer.from(JSON.stringify({ inputs: [{ name: 'x', shape: SHAPE, datatype: 'FP32', parameters: { binary_data_size: 4 * ELEMENTS } }], outputs: [{ name: 'y', parameters: { binary_data: true } }] }));
  return { headers: { 'Inference-Header-Content-Length': String(json.length) }, body: Buffer.concat([json, Buffer.alloc(4 * ELEMENTS)]) };
}

function jsonBody(): Body {
  const data = Array.from({ length: ELEMENTS }, (_, index) => Math.fround(Math.sin(index)));
  return { headers: {}, body: Buffer.from(JSON.stringify({ inputs: [{ name: 'x', shape: SHAPE, datatype: 'FP32', data }] })) };
}

const BODIES: Readonly<Record<string, () => Body>> = { binary: binaryBody, json: jsonBody };

class InstantPipeline implements Pipeline {
  readonly #data = new Uint8Array(new Float32Array([0.25, 0.75]).buffer);

  submit(job: Job): void {
    setImmediate(() => {
      job.reply.started({ device: 'cpu', batchRows: 1, queueMs: 0 });
      job.reply.succeeded({
        outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 2], data: this.#data }], device: 'cpu', batchRows: 1,
        timings: { queueMs: 0, computeInputMs: 0, computeInferMs: 0, computeOutputMs: 0, totalMs: 0 },
      });
      for (const lease of job.leases) lease.release();
    });
  }

  cancel(): void { /* nothing waits */ }
  position(): null { return null; }
  backlog(): Backlog { return { queuedJobs: 0, activeJobs: 0, waitMs: 0, jobCostMs: 0, serviceMs: 0 }; }
}

function fakeDeps(): HttpDeps {
  const { module: native } = loadNative('addon', ADDON);
  const ticket = { release() { /* nothing held */ } };
  const nothing = (): void => { /* not measured */ };
  return {
    native, arena: createArena(createMemory(native, ARENA_BYTES)), clock: systemClock, pipeline: new InstantPipeline(),
    results: createRequestStore(systemClock, { maxAgeMs: 60_000, maxBytes: 64 * 1024 * 1024, maxEntries: 10_000 }),
    admission: { admit: () => ticket }, observer: { refused: nothing }, log: { debug: nothing, warn: nothing, error: nothing },
    devices: { devices: () => [], discovery: () => '' }, health: { ready: () => true, reason: () => '' }, costs: () => [], statistics: { of: () => null },
    metrics: async () => ({ contentType: 'text/plain', body: '' }),
    repository: {
      index: () => [], resolve: () => MODEL, load: async () => undefined, unload: async () => undefined, versions: () => ['1'],
      config: () => { throw new Error('not measured'); },
    },
  };
}

/** In the child: one run against `url`; its summary goes to the parent. */
async function load(url: string, kind: string, amount: number): Promise<void> {
  const { headers, body } = (BODIES[kind] ?? binaryBody)();
  const result = await autocannon({ url: `${url}/v2/models/orientation/infer`, method: 'POST', headers, body, connections: CONNECTIONS, amount });
  process.send?.({ ok: result['2xx'], failed: result.non2xx + result.errors, perSecond: result.requests.average });
}

async function runLoad(url: string, kind: string, amount: number): Promise<{ ok: number; failed: number; perSecond: number }> {
  const child = fork(fileURLToPath(import.meta.url), [url, kind, String(amount)]);
  const [summary] = (await once(child, 'message')) as [{ ok: number; failed: number; perSecond: number }];
  await once(child, 'exit');
  return summary;
}

async function main(): Promise<void> {
  const deps = fakeDeps();
  const app = buildServer(deps);
  await app.listen({ port: 0, host: '127.0.0.1' });
  const url = `http://127.0.0.1:${String((app.server.address() as AddressInfo).port)}`;
  for (const kind of Object.keys(BODIES)) {
    const amount = kind === 'json' ? REQUESTS / 4 : REQUESTS;
    await runLoad(url, kind, WARMUP);
    for (let round = 1; round <= ROUNDS; round += 1) {
      const before = process.cpuUsage();
      const { ok, failed, perSecond } = await runLoad(url, kind, amount);
      const { user, system } = process.cpuUsage(before);
      console.log(`${kind} round ${String(round)}: ${String(Math.round((user + system) / ok))} µs CPU per request (${String(Math.round(user / ok))} user, ${String(Math.round(system / ok))} system), ${String(Math.round(perSecond))} req/s, ${String(ok)} answered, ${String(failed)} failed, ${String(deps.arena.usage().leases)} leases left`);
    }
  }
  await app.close();
  process.exit(0);
}

const [, , url, kind, amount] = process.argv;
await (url === undefined || kind === undefined ? main() : load(url, kind, Number(amount)));
