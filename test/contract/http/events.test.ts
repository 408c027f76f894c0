/** Server-sent events: queued, started, result or error; resuming; slow readers. */
import type { AddressInfo } from 'node:net';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { afterEach, describe, expect, test } from 'vitest';
import { SluiceError } from '../../../src/errors.ts';
import { SCHEMAS } from '../../../src/http/openapi/schemas.ts';
import { createFront, identityModel, type Front, type FrontOptions } from '../../support/http-front.ts';
import { clientRequest, type ClientTensor } from '../../support/oip-codec.ts';
import { RawConnection, rawPost } from '../../support/raw-http.ts';

const X: ClientTensor = { name: 'x', datatype: 'FP32', shape: [1, 4], values: [1, 2, 3, 4] };
const PATH = '/v2/models/row/infer';

let front: Front;
let base: string;
const readers: Reader[] = [];

async function serve(options: FrontOptions = {}): Promise<void> {
  front = createFront({ http: { eventsIntervalMs: 100, eventsHeartbeatMs: 1000 }, ...options });
  front.pipeline.mode = 'held';
  base = await front.app.listen({ port: 0, host: '127.0.0.1' });
}
afterEach(async () => {
  for (const reader of readers.splice(0)) reader.leave();
  await front.app.close();
  expect(front.arena.usage().leases).toBe(0);
  expect(front.admission.tickets).toBe(0);
});

/** A client of one event stream. */
class Reader {
  readonly events: EventSourceMessage[] = [];
  readonly comments: string[] = [];
  retryMs: number | null = null;
  ended = false;
  readonly status: number;
  readonly headers: Headers;
  readonly #abort: AbortController;

  private constructor(response: Response, abort: AbortController) {
    this.status = response.status;
    this.headers = response.headers;
    this.#abort = abort;
    void this.#read(response);
  }

  static async open(url: string, init: RequestInit = {}): Promise<Reader> {
    const abort = new AbortController();
    const reader = new Reader(await fetch(base + url, { ...init, signal: abort.signal }), abort);
    readers.push(reader);
    return reader;
  }

  get types(): (string | undefined)[] {
    return this.events.map(({ event }) => event);
  }

  data(index: number): Record<string, unknown> {
    return JSON.parse(this.events.at(index)?.data ?? 'null') as Record<string, unknown>;
  }

  leave(): void {
    this.#abort.abort();
  }

  async #read(response: Response): Promise<void> {
    const parser = createParser({ onEvent: (event) => void this.events.push(event), onComment: (comment) => void this.comments.push(comment), onRetry: (ms) => void (this.retryMs = ms) });
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }));
    } catch {
      // The test has left.
    }
    this.ended = true;
  }
}

async function submit(id: string, rest: object = {}, path = PATH): Promise<Reader> {
  const { headers, body } = clientRequest([X], () => true, { id, ...rest });
  return await Reader.open(path, { method: 'POST', headers: { ...headers, accept: 'text/event-stream' }, body });
}

describe('the same route with Accept: text/event-stream', () => {
  test('queued, started, result', async () => {
    await serve();
    front.pipeline.ahead = 3;
    const reader = await submit('r1');
    expect([reader.status, reader.headers.get('content-type'), reader.headers.get('x-request-id')]).toEqual([200, 'text/event-stream', 'r1']);
    await expect.poll(() => reader.types).toEqual(['queued']);
    expect(reader.retryMs).toBe(2000);
    front.pipeline.start();
    await expect.poll(() => reader.types).toEqual(['queued', 'started']);
    front.pipeline.finish();
    await expect.poll(() => reader.ended).toBe(true);
    expect(reader.events.map(({ id, event }) => [id, event])).toEqual([['1', 'queued'], ['2', 'started'], ['3', 'result']]);
    expect(reader.data(0)).toEqual({ request_id: 'r1', position: 3, queue_size: 4, eta_ms: 5 });
    expect(reader.data(1)).toEqual({ request_id: 'r1', device: 'cpu', batch_size: 1, queue_ms: 0.5 });
    expect(reader.data(2)).toEqual({ id: 'r1', model_name: 'row', model_version: '1', outputs: [{ name: 'x_out', datatype: 'FP32', shape: [1, 4], data: X.values }] });
    expect([SCHEMAS.QueuedEvent, SCHEMAS.StartedEvent, SCHEMAS.InferResponse].map((schema, index) => schema.safeParse(reader.data(index)).success)).toEqual([true, true, true]);
  });

  test('a request that starts at once has the same events', async () => {
    await serve();
    front.pipeline.mode = 'now';
    const reader = await submit('r1');
    await expect.poll(() => reader.ended).toBe(true);
    expect(reader.types).toEqual(['queued', 'started', 'result']);
    expect(reader.data(0)).toEqual({ request_id: 'r1', position: 0, queue_size: 0, eta_ms: 0 });
  });

  test('results are JSON there, even where binary was asked for', async () => {
    await serve();
    front.pipeline.mode = 'now';
    const reader = await submit('r1', { parameters: { binary_data_output: true } });
    await expect.poll(() => reader.ended).toBe(true);
    expect(reader.data(2)).toMatchObject({ outputs: [{ data: X.values }] });
  });

  test('queued again when the place changes, and only then; one timer for all readers', async () => {
    await serve();
    front.pipeline.ahead = 3;
    const [one, other] = [await submit('r1'), await submit('r2')];
    await expect.poll(() => other.types).toEqual(['queued']);
    front.clock.advance(100);
    front.pipeline.ahead = 1;
    // r1's queue has grown by r2; then both move up.
    front.clock.advance(500);
    await expect.poll(() => one.events.length).toBe(3);
    expect(one.events.map(({ data }) => JSON.parse(data).position)).toEqual([3, 3, 1]);
    expect(other.events.map(({ data }) => JSON.parse(data).position)).toEqual([4, 2]);
    expect(front.clock.pendingTimers).toBe(2);
    front.pipeline.run();
    await expect.poll(() => one.ended && other.ended).toBe(true);
    front.clock.advance(1000);
    expect(front.clock.pendingTimers).toBe(1);
  });

  test('heartbeats', async () => {
    await serve();
    const reader = await submit('r1');
    front.clock.advance(3000);
    await expect.poll(() => reader.comments).toEqual(['heartbeat', 'heartbeat', 'heartbeat'].map((text) => expect.stringContaining(text)));
    front.pipeline.run();
    await expect.poll(() => reader.ended).toBe(true);
  });

  test('a failure while it runs is an error event that tells itself apart from a lost connection', async () => {
    await serve();
    const reader = await submit('r1');
    front.pipeline.start();
    front.pipeline.finish(new SluiceError('MODEL_FAILED', 'line one\r\ndata: injected\n\nevent: x'));
    await expect.poll(() => reader.ended).toBe(true);
    expect(reader.types).toEqual(['queued', 'started', 'error']);
    expect(reader.data(2)).toEqual({ request_id: 'r1', error: 'line one\r\ndata: injected\n\nevent: x', code: 'MODEL_FAILED', retryable: false, status: 422 });
    expect(SCHEMAS.ErrorEvent.parse(reader.data(2))).toBeTruthy();
  });

  test('what is refused has its own status, and is no stream', async () => {
    await serve({ http: { maxEventStreams: 1 } });
    front.pipeline.refuseNext = new SluiceError('OVERLOADED', 'full', { retryAfterMs: 1 });
    const refused = await submit('r1');
    expect([refused.status, refused.headers.get('content-type'), refused.headers.get('retry-after')]).toEqual([503, 'application/json', '1']);
    expect((await submit('r1', {}, '/v2/models/nope/infer')).status).toBe(404);
    expect((await submit('r1', { parameters: { priority: -1 } })).status).toBe(400);
    expect((await submit('r2')).status).toBe(200);
    expect((await submit('r3')).status).toBe(503);
    front.pipeline.run();
  });

  test.each(['text/event-stream;q=0', 'application/json', '*/*'])('Accept: %s is no wish for events', async (accept) => {
    await serve();
    front.pipeline.mode = 'now';
    const { headers, body } = clientRequest([X]);
    const response = await fetch(base + PATH, { method: 'POST', headers: { ...headers, accept }, body });
    expect(response.headers.get('content-type')).toBe('application/json');
    await response.arrayBuffer();
  });
});

describe('GET /v2/requests/{id}/events', () => {
  test('a lost stream goes on where it ended: the request was not cancelled', async () => {
    await serve();
    const lost = await submit('r1');
    await expect.poll(() => lost.types).toEqual(['queued']);
    lost.leave();
    front.pipeline.start();
    const again = await Reader.open('/v2/requests/r1/events', { headers: { 'last-event-id': '1' } });
    await expect.poll(() => again.types).toEqual(['started']);
    front.pipeline.finish();
    await expect.poll(() => again.ended).toBe(true);
    expect(again.events.map(({ id }) => id)).toEqual(['2', '3']);
    expect(front.pipeline.cancelled).toEqual([]);
    const late = await Reader.open('/v2/requests/r1/events');
    await expect.poll(() => late.ended).toBe(true);
    expect(late.types).toEqual(['queued', 'started', 'result']);
  });

  test('where nothing is kept, a lost stream cancels its request', async () => {
    await serve({ keepResults: false });
    const lost = await submit('r1');
    lost.leave();
    await expect.poll(() => front.pipeline.cancelled).toEqual(['r1']);
    expect((await fetch(`${base}/v2/requests/r1/events`)).status).toBe(404);
  });

  test('a request made without events, binary answer and all', async () => {
    await serve();
    const { headers, body } = clientRequest([X], () => true, { id: 'plain', parameters: { binary_data_output: true } });
    const pending = fetch(base + PATH, { method: 'POST', headers, body });
    await expect.poll(() => front.pipeline.waiting).toBe(1);
    const live = await Reader.open('/v2/requests/plain/events');
    await expect.poll(() => live.types).toEqual(['queued']);
    front.pipeline.run();
    expect((await pending).headers.get('content-type')).toBe('application/octet-stream');
    await expect.poll(() => live.ended).toBe(true);
    const after = await Reader.open('/v2/requests/plain/events', { headers: { 'last-event-id': '2' } });
    await expect.poll(() => after.ended).toBe(true);
    expect(after.types).toEqual(['result']);
    expect(after.data(0)).toMatchObject({ id: 'plain', outputs: [{ name: 'x_out', data: X.values }] });
    expect(after.events).toEqual(live.events.slice(-1));
  });

  test('several readers at once see the same', async () => {
    await serve();
    await submit('r1');
    const two = [await Reader.open('/v2/requests/r1/events'), await Reader.open('/v2/requests/r1/events')];
    front.pipeline.run();
    for (const reader of two) {
      await expect.poll(() => reader.ended).toBe(true);
      expect(reader.types).toEqual(['queued', 'started', 'result']);
    }
  });

  test('204 once the last event was seen, 404 for what is not known or no longer kept, 400 for what is no id', async () => {
    await serve();
    const reader = await submit('r1');
    front.pipeline.run();
    await expect.poll(() => reader.ended).toBe(true);
    const status = async (id: string, last?: string) => (await fetch(`${base}/v2/requests/${id}/events`, last === undefined ? {} : { headers: { 'last-event-id': last } })).status;
    expect(await status('r1', '3')).toBe(204);
    expect(await status('nope')).toBe(404);
    for (const bad of ['4', '-1', '1.5', 'x', '99999999999999999999']) expect(await status('r1', bad)).toBe(400);
    front.clock.advance(60_000);
    expect(await status('r1')).toBe(404);
  });

  test('ids of every kind', async () => {
    await serve();
    front.pipeline.mode = 'now';
    for (const id of ['a/b?c#d', 'é 漢', '%41', 'x'.repeat(256)]) {
      await submit(id);
      const reader = await Reader.open(`/v2/requests/${encodeURIComponent(id)}/events`);
      await expect.poll(() => reader.ended).toBe(true);
      expect(reader.data(-1)['id']).toBe(id);
    }
  });
});

describe('DELETE /v2/requests/{id}', () => {
  test('withdraws what waits, and what runs; says so when it is too late', async () => {
    await serve();
    const remove = async (id: string) => {
      const response = await fetch(`${base}/v2/requests/${id}`, { method: 'DELETE' });
      return [response.status, await response.json()];
    };
    const [waiting, running] = [await submit('r1'), await submit('r2')];
    expect(await remove('r1')).toEqual([200, { id: 'r1', cancelled: true }]);
    await expect.poll(() => waiting.ended).toBe(true);
    expect(waiting.data(-1)).toMatchObject({ code: 'CANCELLED', status: 499 });
    front.pipeline.start();
    expect(await remove('r2')).toEqual([200, { id: 'r2', cancelled: true }]);
    await expect.poll(() => running.ended).toBe(true);
    front.pipeline.finish();
    expect(await remove('r2')).toEqual([200, { id: 'r2', cancelled: false }]);
    expect((await remove('r9'))[0]).toBe(404);
    expect(running.types).toEqual(['queued', 'started', 'error']);
  });

  test('a plain request that is withdrawn gets an answer', async () => {
    await serve();
    const { headers, body } = clientRequest([X], () => true, { id: 'plain' });
    const pending = fetch(base + PATH, { method: 'POST', headers, body });
    await expect.poll(() => front.pipeline.waiting).toBe(1);
    await fetch(`${base}/v2/requests/plain`, { method: 'DELETE' });
    expect(await (await pending).json()).toMatchObject({ code: 'CANCELLED' });
  });
});

describe('readers that do not read', () => {
  const WIDE = identityModel('wide', [{ name: 'x', datatype: 'UINT8', shape: [-1, -1] }]);

  test('are sent no more than one piece beyond what the socket takes, and are dropped in the end; the result is still there', async () => {
    await serve({ models: [WIDE], http: { eventsHeartbeatMs: 1000 } });
    const length = 1_500_000;
    const { headers, body } = clientRequest([{ name: 'x', datatype: 'UINT8', shape: [1, length], values: Array.from({ length }, () => 255) }], () => true, { id: 'big' });
    const buffered: (() => number)[] = [];
    front.app.server.on('connection', (socket) => void buffered.push(() => socket.writableLength));
    const slow = await RawConnection.open((front.app.server.address() as AddressInfo).port);
    slow.write(rawPost('/v2/models/wide/infer', body, { 'Accept': 'text/event-stream', 'Inference-Header-Content-Length': headers['inference-header-content-length']! }));
    await expect.poll(() => front.pipeline.waiting).toBe(1);
    slow.socket.pause();
    front.pipeline.run();
    await new Promise((resolve) => setImmediate(resolve));
    // The event has 6 MB; what the kernel does not take stays in the store.
    expect(buffered).toHaveLength(1);
    expect(buffered[0]?.()).toBeGreaterThan(0);
    expect(buffered[0]?.()).toBeLessThan(256 * 1024);
    front.clock.advance(2000);
    slow.socket.resume();
    expect((await slow.closed()).includes('}]}')).toBe(false);
    const reader = await Reader.open('/v2/requests/big/events', { headers: { 'last-event-id': '2' } });
    await expect.poll(() => reader.ended, { timeout: 10_000 }).toBe(true);
    expect((reader.data(0)['outputs'] as { data: number[] }[])[0]?.data).toHaveLength(length);
  });
});

describe('closing', () => {
  test('an open stream gets a final event', async () => {
    await serve();
    const reader = await submit('r1');
    await expect.poll(() => reader.types).toEqual(['queued']);
    const closing = front.app.close();
    await expect.poll(() => reader.ended).toBe(true);
    expect(reader.data(-1)).toMatchObject({ code: 'STOPPING', retryable: true, status: 503 });
    await closing;
    front.pipeline.run();
  });
});
