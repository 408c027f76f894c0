/** Starting, stopping and dying. */
import { describe, expect, test } from 'vitest';
import { infer, noise } from '../support/oip.ts';
import { childrenOf, isAlive, startServer, waitUntil } from '../support/server.ts';

const ROW = [1, 3, 48, 192];
const ELEMENTS = 3 * 48 * 192;

describe('stopping', () => {
  test('SIGTERM: ready turns false, accepted work is answered, children end, exit code 0', async () => {
    const server = await startServer({ env: { GPU_COUNT: '0' } });
    const children = childrenOf(server.pid);
    expect(children.length).toBeGreaterThan(0);
    const work = Array.from({ length: 40 }, (_, seed) => infer(server.url, 'text-orientation', ROW, noise(seed, ELEMENTS)));
    await work[0];
    server.process.kill('SIGTERM');
    const outcomes = await Promise.allSettled(work);
    expect(await server.exited).toBe(0);
    for (const outcome of outcomes) {
      // Not accepted any more is fair (503, or a closed listener); accepted and lost is not.
      if (outcome.status === 'fulfilled') expect([200, 503]).toContain(outcome.value.status);
    }
    expect(outcomes.some((outcome) => outcome.status === 'fulfilled' && outcome.value.status === 200)).toBe(true);
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
