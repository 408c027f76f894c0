import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { OpenLoopPhase } from '../../../bench/load/open-loop-phase.ts';
import { Prober } from '../../../bench/load/prober.ts';
import { answersOnly } from './run-fixture.ts';

const EXPECTED = [[0.25, 0.75], [0.9, 0.1], [0.6, 0.4]];
const DATASET = answersOnly(EXPECTED);
/** One byte of body tells the server which input it is. */
const REQUESTS = EXPECTED.map((_, index) => Buffer.from(`POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n${index}`));
const SETTINGS = { ratePerSecond: 1000, seconds: 0.1, deadlineMs: 20_000, maxConnections: 64, seed: 1 };

const servers: { server: Server; sockets: Set<Socket> }[] = [];
afterEach(() => {
  for (const { server, sockets } of servers.splice(0)) {
    server.close();
    for (const socket of sockets) socket.destroy();
  }
});

/** A server on raw sockets; `respond` gets the index of the input of every request. */
async function listen(respond: (socket: Socket, input: number) => void): Promise<{ url: URL; connections: () => number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('data', (data) => { respond(socket, Number(data.toString().at(-1))); });
    socket.on('error', () => {});
  });
  servers.push({ server, sockets });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), connections: () => sockets.size };
}

function answer(input: number, extraHeaders = ''): Buffer {
  const tensor = Buffer.from(Float32Array.from(EXPECTED[input] ?? []).buffer);
  return Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nInference-Header-Content-Length: 2\r\nContent-Length: 10\r\n${extraHeaders}\r\n{}`), tensor]);
}

async function load(url: URL, settings: Partial<typeof SETTINGS> = {}): Promise<OpenLoopPhase> {
  const phase = new OpenLoopPhase({ url, dataset: DATASET, requests: REQUESTS }, { ...SETTINGS, ...settings });
  await phase.run().settled;
  return phase;
}

describe('OpenLoopPhase', () => {
  test('right answers are counted, and connections are used again', async () => {
    const { url, connections } = await listen((socket, input) => { socket.write(answer(input)); });
    const phase = await load(url, { deadlineMs: 2000 });
    expect(phase.offered).toBeGreaterThan(50);
    expect(phase.goodLatenciesMs).toHaveLength(phase.offered);
    expect(phase).toMatchObject({ statusCounts: { 200: phase.offered }, wrongAnswers: [], timedOut: 0, unsent: 0, connectionErrors: {} });
    expect(connections()).toBeLessThanOrEqual(SETTINGS.maxConnections);
  });
  test('an answer that belongs to another request is wrong, and not good', async () => {
    const { url } = await listen((socket, input) => { socket.write(answer(input === 2 ? 0 : input)); });
    const phase = await load(url, { deadlineMs: 2000 });
    expect(phase.wrongAnswers[0]).toMatch(/^input 2: expected \[0.6, 0.4\], got \[0.25, 0.75\]/);
    expect(phase.goodLatenciesMs.length).toBeLessThan(phase.offered);
  });
  test('a server that never answers: every request ends in a timeout or was not sent', async () => {
    const { url } = await listen(() => {});
    const phase = await load(url, { deadlineMs: 50, maxConnections: 5 });
    expect(phase.timedOut).toBeGreaterThan(0);
    expect(phase.unsent).toBeGreaterThan(0);
    expect(phase.timedOut + phase.unsent).toBe(phase.offered);
    expect(phase.goodLatenciesMs).toEqual([]);
  });
  test('a refusal that closes the connection is an answer, not an error', async () => {
    const { url } = await listen((socket) => { socket.end('HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'); });
    const phase = await load(url, { deadlineMs: 2000 });
    expect(phase.statusCounts).toEqual({ 503: phase.offered - phase.unsent });
    expect(phase.connectionErrors).toEqual({});
  });
  test('a connection that breaks is an error', async () => {
    const { url } = await listen((socket) => { socket.destroy(); });
    const phase = await load(url, { deadlineMs: 2000 });
    const errors = Object.values(phase.connectionErrors).reduce((sum, count) => sum + count, 0);
    expect(errors).toBe(phase.offered - phase.unsent);
  });
});

describe('Prober', () => {
  test('gives the latency of a right answer, and null for a refusal or none', async () => {
    let mode: 'right' | 'refuse' | 'silent' = 'right';
    const { url } = await listen((socket, input) => {
      if (mode === 'right') socket.write(answer(input));
      if (mode === 'refuse') socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n');
    });
    const target = { url, dataset: DATASET, requests: REQUESTS };
    expect(await new Prober(target, 30_000).probe()).toBeGreaterThan(0);
    mode = 'refuse';
    expect(await new Prober(target, 30_000).probe()).toBeNull();
    mode = 'silent';
    expect(await new Prober(target, 50).probe()).toBeNull();
  });
});
