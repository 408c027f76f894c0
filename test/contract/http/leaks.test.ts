/** Ten thousand requests of every kind, well-behaved and not: nothing stays held. */
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { SluiceError } from '../../../src/errors.ts';
import { createFront } from '../../support/http-front.ts';
import { clientRequest, type ClientTensor } from '../../support/oip-codec.ts';
import { seededRandom } from '../../support/random.ts';
import { RawConnection, rawPost } from '../../support/raw-http.ts';

const REQUESTS = 10_000;
const AT_ONCE = 25;
const PATH = '/v2/models/row/infer';
const X: ClientTensor = { name: 'x', datatype: 'FP32', shape: [1, 4], values: [1, 2, 3, 4] };
const BINARY = clientRequest([X]);
const JSON_BODY = clientRequest([X], () => false);
const EVENTS = { Accept: 'text/event-stream' };

type Kind = (connection: RawConnection, random: () => number) => Promise<boolean>;

/** Sends one request; true where the connection can take another. */
const KINDS: readonly Kind[] = [
  async (connection) => {
    connection.write(rawPost(PATH, BINARY.body, BINARY.headers));
    expect((await connection.response()).status).toBe(200);
    return true;
  },
  async (connection) => {
    connection.write(rawPost(PATH, JSON_BODY.body));
    expect((await connection.response()).status).toBe(200);
    return true;
  },
  async (connection, random) => {
    const body = Buffer.from(random() < 0.5 ? BINARY.body : JSON_BODY.body);
    body[Math.floor(random() * body.length)] = Math.floor(random() * 256);
    connection.write(rawPost(PATH, body, body.length === BINARY.body.length ? BINARY.headers : {}));
    expect([200, 400]).toContain((await connection.response()).status);
    return true;
  },
  async (connection, random) => {
    const bytes = rawPost(PATH, BINARY.body, BINARY.headers);
    connection.write(bytes.subarray(0, 1 + Math.floor(random() * (bytes.length - 1))));
    if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve));
    connection.destroy();
    return false;
  },
  async (connection, random) => {
    connection.write(rawPost(PATH, BINARY.body, { ...BINARY.headers, ...(random() < 0.5 ? EVENTS : {}) }));
    if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve));
    connection.destroy();
    return false;
  },
  async (connection) => {
    connection.write(rawPost(PATH, BINARY.body, { ...BINARY.headers, ...EVENTS }));
    if ((await connection.response()).status === 200) await connection.until('event: result');
    connection.destroy();
    return false;
  },
];

test('ten thousand requests later every place in the arena and every ticket is free', async () => {
  const front = createFront();
  front.pipeline.mode = 'soon';
  await front.app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = front.app.server.address() as AddressInfo;
  let sent = 0;
  const worker = async (seed: number): Promise<void> => {
    const random = seededRandom(seed);
    let connection: RawConnection | null = null;
    while (sent < REQUESTS) {
      sent += 1;
      if (sent % 50 === 0) front.pipeline.refuseNext = new SluiceError('MODEL_FAILED', 'refused by the model');
      connection ??= await RawConnection.open(port);
      const kind = KINDS[Math.floor(random() * KINDS.length)]!;
      const reusable = await kind(connection, random).catch(() => false);
      if (!reusable) {
        connection.destroy();
        connection = null;
      }
    }
    connection?.destroy();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => worker(index)));
  await expect.poll(() => front.arena.usage()).toMatchObject({ leases: 0, usedBytes: 0 });
  await expect.poll(() => front.admission.tickets).toBe(0);
  await expect.poll(() => front.results.usage().running).toBe(0);
  expect(front.pipeline.submitted.length).toBeGreaterThan(REQUESTS / 4);
  expect(front.refused.length).toBeGreaterThan(REQUESTS / 100);
  expect(front.logged).toEqual([]);
  await front.app.close();
});
