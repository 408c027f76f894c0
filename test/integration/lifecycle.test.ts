/** Starting, stopping and dying. */
import { describe, expect, test } from 'vitest';
import { binaryRequest, infer, noise } from '../support/oip.ts';
import { childrenOf, isAlive, startServer, threadStates, waitUntil } from '../support/server.ts';

const ROW = [1, 3, 48, 192];
const ELEMENTS = 3 * 48 * 192;

/** Requests that are admitted and not answered. */
async function pending(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^sluice_admitted_requests(?:\{[^}]*\})? (\d+)$/m.exec(metrics)?.[1]);
}

function withEvents(request: ReturnType<typeof binaryRequest>): ReturnType<typeof binaryRequest> {
  return { ...request, headers: { ...request.headers, Accept: 'text/event-stream' } };
}

describe('stopping', () => {
  test('SIGTERM: ready turns false, accepted work is answered, streams get their result, children end, exit code 0', async () => {
    const server = await startServer({ env: { GPU_COUNT: '0' } });
    const children = childrenOf(server.pid);
    expect(children).toHaveLength(1);
    // Held in the host, so that all of it is accepted and none of it done when the signal comes.
    for (const child of children) {
      process.kill(child, 'SIGSTOP');
      await expect.poll(() => threadStates(child)).toEqual(new Set(['T']));
    }
    const work = Array.from({ length: 20 }, (_, seed) => infer(server.url, 'text-orientation', ROW, noise(seed, ELEMENTS)));
    const stream = await fetch(`${server.url}/v2/models/text-orientation/infer`, { method: 'POST', ...withEvents(binaryRequest('x', ROW, noise(99, ELEMENTS))) });
    await waitUntil(async () => (await pending(server.url)) === 21);
    server.process.kill('SIGTERM');
    await waitUntil(async () => (await fetch(`${server.url}/v2/health/ready`)).status === 503);
    expect(await infer(server.url, 'text-orientation', ROW, noise(1, ELEMENTS))).toMatchObject({ status: 503, answer: { code: 'STOPPING' } });
    for (const child of children) process.kill(child, 'SIGCONT');
    expect((await Promise.all(work)).map(({ status }) => status)).toEqual(work.map(() => 200));
    expect(await stream.text()).toMatch(/event: result\n/);
    expect(await server.exited).toBe(0);
    expect(children.filter(isAlive)).toEqual([]);
  }, 90_000);

  test('a second signal ends it at once, with the signal’s exit code', async () => {
    const server = await startServer({ env: { GPU_COUNT: '0' } });
    const [host] = childrenOf(server.pid);
    if (host === undefined) throw new Error('no device host');
    process.kill(host, 'SIGSTOP');
    const work = infer(server.url, 'text-orientation', ROW, noise(1, ELEMENTS)).catch(() => null);
    await waitUntil(() => server.logs.length > 0);
    server.process.kill('SIGTERM');
    await waitUntil(() => server.logs.some((line) => line.msg === 'stopping'));
    server.process.kill('SIGTERM');
    expect(await server.exited).toBe(143);
    await work;
    await waitUntil(() => !isAlive(host));
  }, 90_000);

  test('kill -9 of the front leaves no orphan', async () => {
    const server = await startServer({ env: { GPU_COUNT: '0' } });
    const children = childrenOf(server.pid);
    expect(children.length).toBeGreaterThan(0);
    server.process.kill('SIGKILL');
    expect(await server.exited).toBe('SIGKILL');
    await waitUntil(() => children.every((pid) => !isAlive(pid)), 10_000);
  }, 90_000);
});

describe('starting', () => {
  test('more GPUs than there are is an error that names both numbers', async () => {
    await expect(startServer({ env: { GPU_COUNT: '3' }, until: 'listening' })).rejects.toThrow(/ended with 2[\s\S]*GPU_COUNT=3[\s\S]*\b0\b/);
  }, 60_000);

  test('a wrong setting is named with what is allowed, without a stack trace', async () => {
    const failure = await startServer({ env: { PORT: 'eighty' } }).catch((error: unknown) => String(error));
    expect(failure).toContain('PORT="eighty": must be a port from 0 to 65535');
    expect(failure).not.toMatch(/at .*\.js:\d+/);
  }, 60_000);

  test('without the addon it serves all the same, and says what is missing', async () => {
    const server = await startServer({ env: { GPU_COUNT: '0', NATIVE: 'fallback' } });
    try {
      expect((await infer(server.url, 'text-orientation', ROW, noise(1, ELEMENTS))).status).toBe(200);
      expect(JSON.stringify(server.logs)).toMatch(/fallback/);
    } finally {
      expect(await server.stop()).toBe(0);
    }
  }, 90_000);
});
