/** The whole server, as a user starts it: real processes, real sockets, real models. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { binaryRequest, infer, noise } from '../support/oip.ts';
import { childrenOf, isAlive, startServer, waitUntil, type RunningServer } from '../support/server.ts';

const ROW = [1, 3, 48, 192];
const ELEMENTS = 3 * 48 * 192;

let server: RunningServer;
beforeAll(async () => {
  server = await startServer({ env: { CPU_WORKERS: '2', GPU_COUNT: '0' } });
}, 60_000);
afterAll(async () => {
  await server.stop();
});

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return text.split('\n').filter((line) => line.startsWith(name)).reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

describe('the bundled models', () => {
  test.each(['identity', 'text-orientation', 'text-recognition', 'text-detection'])('%s is ready', async (model) => {
    expect((await fetch(`${server.url}/v2/models/${model}/ready`)).status).toBe(200);
  });

  test('an answer does not depend on how it was sent', async () => {
    const values = noise(7, ELEMENTS);
    const binary = await infer(server.url, 'text-orientation', ROW, values);
    const response = await fetch(`${server.url}/v2/models/text-orientation/infer`, {
      method: 'POST', body: JSON.stringify({ id: 'as-json', inputs: [{ name: 'x', shape: ROW, datatype: 'FP32', data: Array.from(values) }] }),
    });
    const json = (await response.json()) as typeof binary.answer;
    expect(binary.status).toBe(200);
    expect(json.id).toBe('as-json');
    expect(response.headers.get('x-request-id')).toBe('as-json');
    expect(json.outputs[0]?.shape).toEqual([1, 2]);
    json.outputs[0]?.data.forEach((value, index) => {
      expect(value).toBeCloseTo(binary.answer.outputs[0]?.data[index] ?? Number.NaN, 5);
    });
  });

  test('each of many concurrent requests gets its own answer, however they were batched', async () => {
    const alone = await Promise.all([1, 2, 3].map(async (seed) => (await infer(server.url, 'text-orientation', ROW, noise(seed, ELEMENTS))).answer.outputs[0]?.data));
    const together = await Promise.all(Array.from({ length: 60 }, async (_, index) => {
      const { status, answer } = await infer(server.url, 'text-orientation', ROW, noise((index % 3) + 1, ELEMENTS));
      return { status, seed: (index % 3) + 1, data: answer.outputs[0]?.data };
    }));
    for (const { status, seed, data } of together) {
      expect(status).toBe(200);
      data?.forEach((value, index) => { expect(value).toBeCloseTo(alone[seed - 1]?.[index] ?? Number.NaN, 4); });
    }
  });

  test('a request larger than any batch is split, and its rows come back in order', async () => {
    const rows = 500;
    const values = Float32Array.from({ length: rows * 16 }, (_, index) => index);
    const { status, answer } = await infer(server.url, 'identity', [rows, 16], values, {}, await inputOf('identity'));
    expect(status).toBe(200);
    expect(answer.outputs[0]?.shape).toEqual([rows, 16]);
    expect(answer.outputs[0]?.data).toEqual(Array.from(values));
  });
});

async function inputOf(model: string): Promise<string> {
  const metadata = (await (await fetch(`${server.url}/v2/models/${model}`)).json()) as { inputs: { name: string }[] };
  return metadata.inputs[0]?.name ?? '';
}

describe('the processes', () => {
  test('the front never loads onnxruntime; the host does', () => {
    expect(readFileSync(`/proc/${String(server.pid)}/maps`, 'utf8')).not.toMatch(/onnxruntime/);
    const hosts = childrenOf(server.pid).filter((pid) => readFileSync(`/proc/${String(pid)}/maps`, 'utf8').includes('libonnxruntime'));
    expect(hosts).toHaveLength(1);
  });

  test('a stopped host delays neither health nor metrics, and its work is answered when it is back', async () => {
    const [host] = childrenOf(server.pid);
    if (host === undefined) throw new Error('no device host');
    process.kill(host, 'SIGSTOP');
    try {
      const waiting = infer(server.url, 'text-orientation', ROW, noise(1, ELEMENTS));
      expect((await fetch(`${server.url}/v2/health/live`)).status).toBe(200);
      expect((await fetch(`${server.url}/metrics`)).status).toBe(200);
      process.kill(host, 'SIGCONT');
      expect((await waiting).status).toBe(200);
    } finally {
      process.kill(host, 'SIGCONT');
    }
  });

  test('kill -9 of the host under load loses nothing', async () => {
    const [host] = childrenOf(server.pid);
    if (host === undefined) throw new Error('no device host');
    let killed = false;
    const answers = await Promise.all(Array.from({ length: 200 }, async (_, index) => {
      if (index === 100 && !killed) {
        killed = true;
        process.kill(host, 'SIGKILL');
      }
      return (await infer(server.url, 'text-orientation', ROW, noise(index, ELEMENTS))).status;
    }));
    expect(new Set(answers)).toEqual(new Set([200]));
    expect(isAlive(host)).toBe(false);
    await waitUntil(async () => (await fetch(`${server.url}/v2/health/ready`)).status === 200);
  });
});

describe('memory', () => {
  test('rows that lie together are read in place: a lone request is never copied again', async () => {
    const before = await metric('sluice_batch_copied_bytes_total');
    for (let seed = 0; seed < 20; seed += 1) await infer(server.url, 'text-orientation', ROW, noise(seed, ELEMENTS));
    expect(await metric('sluice_batch_copied_bytes_total')).toBe(before);
  });

  test('ten thousand requests later every slab is free that was free before', async () => {
    const leases = await metric('sluice_arena_leases');
    const used = await metric('sluice_arena_bytes{state="used"}');
    const input = await inputOf('identity');
    const good = binaryRequest(input, [2, 16], noise(1, 32));
    for (let round = 0; round < 100; round += 1) {
      await Promise.all(Array.from({ length: 100 }, async (_, index) => {
        const bad = index % 10 === 0;
        const response = await fetch(`${server.url}/v2/models/identity/infer`, { method: 'POST', headers: good.headers, body: bad ? good.body.subarray(0, good.body.length - 4) : good.body });
        await response.arrayBuffer();
        expect(response.status).toBe(bad ? 400 : 200);
      }));
    }
    expect(await metric('sluice_arena_leases')).toBe(leases);
    expect(await metric('sluice_arena_bytes{state="used"}')).toBe(used);
  }, 120_000);
});
