/** What depends on real connections: splits, pipelining, 100-continue, refusals before the body, timeouts, clients that leave. */
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/contracts/clock.ts';
import type { ServingModel } from '../../../src/contracts/model.ts';
import { SluiceError } from '../../../src/errors.ts';
import { createFront, FP32_ROW, identityModel, type Front, type FrontOptions } from '../../support/http-front.ts';
import { clientRequest, type ClientTensor } from '../../support/oip-codec.ts';
import { RawConnection, rawPost } from '../../support/raw-http.ts';

const X: ClientTensor = { name: 'x', datatype: 'FP32', shape: [1, 4], values: [1, 2, 3, 4] };
const BINARY = clientRequest([X]);
const PATH = '/v2/models/row/infer';
const BUSY = new SluiceError('OVERLOADED', 'too much waits', { retryAfterMs: 900 });

let front: Front;
const connections: RawConnection[] = [];

async function serve(options: FrontOptions = {}): Promise<Front> {
  front = createFront(options);
  await front.app.listen({ port: 0, host: '127.0.0.1' });
  return front;
}
async function open(): Promise<RawConnection> {
  const connection = await RawConnection.open((front.app.server.address() as AddressInfo).port);
  connections.push(connection);
  return connection;
}
afterEach(async () => {
  for (const connection of connections.splice(0)) connection.destroy();
  await front.app.close();
  expect(front.arena.usage().leases).toBe(0);
  expect(front.admission.tickets).toBe(0);
});

const settled = async () => await expect.poll(() => front.admission.tickets).toBe(0);
const dataOf = ({ body }: { body: Buffer }) => JSON.parse(body.toString()).outputs[0].data;

describe('bodies in pieces', () => {
  test('one byte at a time, request line included', async () => {
    await serve();
    const connection = await open();
    for (const byte of rawPost(PATH, BINARY.body, BINARY.headers)) {
      connection.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(dataOf(await connection.response())).toEqual(X.values);
  });

  test('chunked, in chunks of a few bytes', async () => {
    await serve();
    const connection = await open();
    connection.write(`POST ${PATH} HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nInference-Header-Content-Length: ${BINARY.headers['inference-header-content-length']!}\r\n\r\n`);
    for (let at = 0; at < BINARY.body.length; at += 7) {
      const piece = BINARY.body.subarray(at, at + 7);
      connection.write(Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]));
    }
    connection.write('0\r\n\r\n');
    expect(dataOf(await connection.response())).toEqual(X.values);
    expect(front.heads[0]?.contentLength).toBeNull();
  });

  test('a chunked body over the bound is refused while it comes, and the connection closes', async () => {
    await serve({ http: { maxBodyBytes: 10_000, lingerMs: 1 }, timers: systemClock });
    const connection = await open();
    connection.write(`POST ${PATH} HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const piece = Buffer.alloc(1000, ' ');
    for (let count = 0; count < 11; count += 1) connection.write(Buffer.concat([Buffer.from('3e8\r\n'), piece, Buffer.from('\r\n')]));
    const response = await connection.response();
    expect([response.status, response.headers['connection']]).toEqual([413, 'close']);
    await connection.closed();
  });

  test('several requests in one packet, answered in order on one connection', async () => {
    await serve();
    front.pipeline.mode = 'soon';
    const connection = await open();
    const requests = [1, 2, 3].map((value) => {
      const { headers, body } = clientRequest([{ ...X, values: [value, 0, 0, 0] }]);
      return rawPost(PATH, body, headers);
    });
    connection.write(Buffer.concat([...requests, rawPost('/v2/models/nope/infer', BINARY.body, BINARY.headers), requests[0]!]));
    for (const value of [1, 2, 3]) expect(dataOf(await connection.response())[0]).toBe(value);
    expect((await connection.response()).status).toBe(404);
    expect(dataOf(await connection.response())[0]).toBe(1);
  });

  test('compressed and split', async () => {
    await serve();
    const connection = await open();
    const bytes = rawPost(PATH, gzipSync(BINARY.body), { ...BINARY.headers, 'Content-Encoding': 'gzip' });
    connection.write(bytes.subarray(0, -10));
    await new Promise((resolve) => setImmediate(resolve));
    connection.write(bytes.subarray(-10));
    expect(dataOf(await connection.response())).toEqual(X.values);
  });
});

describe('a model that is loaded again while a body arrives', () => {
  const reloadDuringBody = async (replacement: ServingModel | null): Promise<RawConnection> => {
    await serve();
    const connection = await open();
    const bytes = rawPost(PATH, BINARY.body, BINARY.headers);
    connection.write(bytes.subarray(0, -3));
    await expect.poll(() => front.admission.tickets).toBe(1);
    front.repository.models.splice(0, 1, ...(replacement === null ? [] : [replacement]));
    connection.write(bytes.subarray(-3));
    return connection;
  };

  test('the one in its place, which takes and gives the same, gets the request', async () => {
    const again = { ...FP32_ROW, key: 'row/1@2' };
    expect(dataOf(await (await reloadDuringBody(again)).response())).toEqual(X.values);
    expect(front.pipeline.submitted.map(({ model }) => model.key)).toEqual(['row/1@2']);
  });

  test('the request stays with the old one where the new takes other tensors', async () => {
    const other = { ...identityModel('row', [{ name: 'x', datatype: 'FP32', shape: [-1, 5] }]), key: 'row/1@2' };
    await (await reloadDuringBody(other)).response();
    expect(front.pipeline.submitted.map(({ model }) => model.key)).toEqual([FP32_ROW.key]);
  });

  test('an unloaded one is refused as such', async () => {
    expect((await (await reloadDuringBody(null)).response()).status).toBe(404);
    expect(front.pipeline.submitted).toEqual([]);
  });
});

describe('refusals before the body', () => {
  test('a small body is dropped, and its connection answers the next request', async () => {
    await serve();
    front.admission.error = BUSY;
    const connection = await open();
    connection.write(rawPost(PATH, BINARY.body, BINARY.headers));
    const refused = await connection.response();
    expect([refused.status, refused.headers['retry-after'], refused.headers['content-type'], refused.headers['connection']]).toEqual([503, '1', 'application/json', 'keep-alive']);
    front.admission.error = null;
    connection.write(rawPost(PATH, BINARY.body, BINARY.headers));
    expect((await connection.response()).status).toBe(200);
    expect(front.refused).toEqual([{ model: FP32_ROW.key, error: BUSY }]);
  });

  test('the answer comes though the body never does', async () => {
    await serve();
    front.admission.error = BUSY;
    const connection = await open();
    connection.write(rawPost(PATH, BINARY.body, BINARY.headers).subarray(0, -BINARY.body.length));
    expect((await connection.response()).status).toBe(503);
  });

  test('a large body: the whole answer first, then the connection closes', async () => {
    await serve({ http: { drainBytes: 1000, lingerMs: 1 }, timers: systemClock });
    front.admission.error = BUSY;
    const connection = await open();
    connection.write(`POST ${PATH} HTTP/1.1\r\nHost: t\r\nContent-Length: 30000000\r\n\r\n`);
    connection.write(Buffer.alloc(300_000));
    const response = await connection.response();
    expect([response.status, response.headers['connection'], JSON.parse(response.body.toString()).code]).toEqual([503, 'close', 'OVERLOADED']);
    await connection.closed();
  });

  test('a gigantic Content-Length is refused at once', async () => {
    await serve({ http: { lingerMs: 1 }, timers: systemClock });
    const connection = await open();
    connection.write(`POST ${PATH} HTTP/1.1\r\nHost: t\r\nContent-Length: 8589934592\r\n\r\n`);
    expect((await connection.response()).status).toBe(413);
    await connection.closed();
  });
});

describe('Expect: 100-continue', () => {
  const expecting = `POST ${PATH} HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: ${String(BINARY.body.length)}\r\nInference-Header-Content-Length: ${BINARY.headers['inference-header-content-length']!}\r\n\r\n`;

  test('the client is asked for its body once it is admitted', async () => {
    await serve();
    const connection = await open();
    connection.write(expecting);
    expect((await connection.response()).status).toBe(100);
    connection.write(BINARY.body);
    expect(dataOf(await connection.response())).toEqual(X.values);
  });

  test('a refusal does not ask, and closes', async () => {
    await serve();
    front.admission.error = BUSY;
    const connection = await open();
    connection.write(expecting);
    const response = await connection.response();
    expect([response.status, response.headers['connection']]).toEqual([503, 'close']);
    await connection.closed();
  });

  test('other routes ask at once; other expectations are ignored', async () => {
    await serve();
    const connection = await open();
    connection.write('POST /v2/repository/index HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
    expect((await connection.response()).status).toBe(100);
    connection.write('{}');
    expect((await connection.response()).status).toBe(200);
    connection.write('GET /v2 HTTP/1.1\r\nHost: t\r\nExpect: a-miracle\r\n\r\n');
    expect((await connection.response()).status).toBe(200);
  });
});

describe('what is no HTTP, or too slow', () => {
  test.each([
    ['garbage', 'hello\r\n\r\n', 400],
    ['headers over 16 KiB', `GET /v2 HTTP/1.1\r\nHost: t\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['a length and chunks', `POST ${PATH} HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
    ['a length that is no number', `POST ${PATH} HTTP/1.1\r\nHost: t\r\nContent-Length: ten\r\n\r\n`, 400],
  ])('%s', async (_, bytes, status) => {
    await serve();
    const connection = await open();
    connection.write(bytes);
    const response = await connection.response();
    expect([response.status, response.headers['content-type'], response.headers['connection']]).toEqual([status, 'application/json', 'close']);
    expect(Object.keys(JSON.parse(response.body.toString()))).toEqual(['error', 'code', 'retryable']);
    await connection.closed();
  });

  test('broken chunks in a body that is being read', async () => {
    await serve();
    const connection = await open();
    connection.write(`POST ${PATH} HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"inp\r\nnot-hex\r\n`);
    expect((await connection.response()).status).toBe(400);
    await connection.closed();
    await settled();
  });

  test.each([['headers', 'GET /v2 HTTP/1.1\r\nHost:'], ['a body', `POST ${PATH} HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n{"inputs"`]])('%s that never come to an end: 408', async (_, bytes) => {
    await serve({ http: { headersTimeoutMs: 50, bodyTimeoutMs: 60, connectionsCheckingIntervalMs: 20 } });
    const connection = await open();
    connection.write(bytes);
    const response = await connection.response();
    expect([response.status, JSON.parse(response.body.toString())]).toEqual([408, { error: 'the request did not arrive in time', code: 'REQUEST_TIMEOUT', retryable: true }]);
    await connection.closed();
    await settled();
  });
});

describe('clients that leave', () => {
  test('in the middle of the body: everything is given back', async () => {
    await serve();
    const connection = await open();
    connection.write(rawPost(PATH, BINARY.body, BINARY.headers).subarray(0, -4));
    await expect.poll(() => front.arena.usage().leases).toBe(1);
    connection.destroy();
    await settled();
    expect(front.refused.map(({ error }) => error.code)).toEqual(['CANCELLED']);
    expect(front.pipeline.submitted).toEqual([]);
  });

  test('while the request waits: it leaves the queue', async () => {
    await serve();
    front.pipeline.mode = 'held';
    const connection = await open();
    connection.write(rawPost(PATH, clientRequest([X], () => true, { id: 'gone' }).body, { 'Inference-Header-Content-Length': clientRequest([X], () => true, { id: 'gone' }).headers['inference-header-content-length']! }));
    await expect.poll(() => front.pipeline.waiting).toBe(1);
    connection.destroy();
    await settled();
    expect(front.pipeline.cancelled).toEqual(['gone']);
  });

  test('while it runs: its result is dropped, and its ticket is free at once', async () => {
    await serve();
    front.pipeline.mode = 'held';
    const connection = await open();
    connection.write(rawPost(PATH, BINARY.body, BINARY.headers));
    await expect.poll(() => front.pipeline.waiting).toBe(1);
    front.pipeline.start();
    connection.destroy();
    await settled();
    front.pipeline.finish();
  });

  test('with several requests on one connection, the one behind others too', async () => {
    await serve();
    front.pipeline.mode = 'held';
    const connection = await open();
    connection.write(Buffer.concat([1, 2, 3].map(() => rawPost(PATH, BINARY.body, BINARY.headers))));
    await expect.poll(() => front.pipeline.waiting).toBe(3);
    connection.destroy();
    await settled();
    expect(front.pipeline.cancelled).toHaveLength(3);
  });
});

describe('closing', () => {
  test('running requests are answered, with Connection: close; idle connections end', async () => {
    await serve();
    front.pipeline.mode = 'held';
    const [busy, idle] = [await open(), await open()];
    idle.write('GET /v2/health/live HTTP/1.1\r\nHost: t\r\n\r\n');
    expect((await idle.response()).status).toBe(200);
    busy.write(rawPost(PATH, BINARY.body, BINARY.headers));
    await expect.poll(() => front.pipeline.waiting).toBe(1);
    const closing = front.app.close();
    await idle.closed();
    front.pipeline.run();
    const response = await busy.response();
    expect([response.status, response.headers['connection']]).toEqual([200, 'close']);
    await closing;
  });
});
