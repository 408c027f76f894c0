import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import type { JobResult, Reply } from '../../../src/contracts/job.ts';
import type { EventPayload, RequestRecord, RequestStore } from '../../../src/contracts/results.ts';
import { SluiceError } from '../../../src/errors.ts';
import { SettleOnce } from '../../../src/results/settle.ts';
import { createRequestStore } from '../../../src/results/store.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const RESULT: JobResult = { outputs: [], device: 'cpu', batchRows: 1, timings: { queueMs: 0, computeInputMs: 0, computeInferMs: 0, computeOutputMs: 0, totalMs: 0 } };
const FAILURE = new SluiceError('MODEL_FAILED', 'no');

function payload(byteLength = 100): EventPayload {
  return { byteLength, json: () => Buffer.from(`{"bytes":${String(byteLength)}}`) };
}

class RecordedReply implements Reply {
  readonly calls: string[] = [];
  started(): void {
    this.calls.push('started');
  }
  succeeded(): void {
    this.calls.push('succeeded');
  }
  failed(): void {
    this.calls.push('failed');
  }
}

function store(options: Partial<{ maxAgeMs: number; maxBytes: number; maxEntries: number }> = {}) {
  const clock = new FakeClock();
  const requests = createRequestStore(clock, { maxAgeMs: 1000, maxBytes: 1_000_000, maxEntries: 100, ...options });
  const settle = (id: string, bytes = 100): RequestRecord => {
    const record = requests.open(id, new RecordedReply());
    record.add('result', payload(bytes));
    return record;
  };
  return { clock, requests, settle };
}

describe('settling', () => {
  test.each([['succeeded first', ['succeeded']], ['failed first', ['failed']]])('%s: what follows is dropped', (_, [first]) => {
    const target = new RecordedReply();
    const reply = new SettleOnce(target);
    reply.started({ device: 'cpu', batchRows: 1, queueMs: 0 });
    if (first === 'succeeded') reply.succeeded(RESULT);
    reply.failed(FAILURE);
    reply.succeeded(RESULT);
    reply.started({ device: 'cpu', batchRows: 1, queueMs: 0 });
    expect(target.calls).toEqual(['started', first]);
  });

  test('a reply that settles again from inside its own outcome', () => {
    const calls: string[] = [];
    const reply: Reply = new SettleOnce({
      started: () => undefined,
      succeeded: () => {
        calls.push('succeeded');
        reply.failed(FAILURE);
      },
      failed: () => void calls.push('failed'),
    });
    reply.succeeded(RESULT);
    expect(calls).toEqual(['succeeded']);
  });
});

describe('a record', () => {
  test('numbers its events, keeps the latest queued only, and takes nothing after the last one', () => {
    const { requests } = store();
    const record = requests.open('a', new RecordedReply());
    let heard = 0;
    const unsubscribe = record.subscribe(() => (heard += 1));
    record.add('queued', payload());
    record.add('queued', payload());
    record.add('started', payload());
    record.add('result', payload());
    record.add('error', payload());
    expect([record.lastEventId, record.started, record.settled, heard]).toEqual([4, true, true, 4]);
    const seen = [];
    for (let event = record.nextAfter(0); event !== null; event = record.nextAfter(event.id)) seen.push([event.id, event.type]);
    expect(seen).toEqual([[2, 'queued'], [3, 'started'], [4, 'result']]);
    expect(record.nextAfter(4)).toBeNull();
    unsubscribe();
  });

  test('a listener may leave while it is called', () => {
    const { requests } = store();
    const record = requests.open('a', new RecordedReply());
    const heard: string[] = [];
    const leave = record.subscribe(() => {
      heard.push('first');
      leave();
    });
    record.subscribe(() => void heard.push('second'));
    record.add('queued', payload());
    record.add('started', payload());
    expect(heard).toEqual(['first', 'second', 'second']);
  });

  test('lets go of its reply when it settles: records outlive requests', async () => {
    const { requests } = store();
    const { record, held } = openAndForget(requests);
    record.reply.failed(FAILURE);
    record.add('error', payload());
    setFlagsFromString('--expose-gc');
    await new Promise((resolve) => setImmediate(resolve));
    (runInNewContext('gc') as () => void)();
    expect(held.deref()).toBeUndefined();
  });
});

/** Opens a record whose reply nothing but the record holds. */
function openAndForget(requests: RequestStore): { readonly record: RequestRecord; readonly held: WeakRef<Reply> } {
  const reply = new RecordedReply();
  return { record: requests.open('a', reply), held: new WeakRef(reply) };
}

describe('the store', () => {
  test('refuses an id that runs, and gives a settled one anew', () => {
    const { requests, settle } = store();
    const first = requests.open('a', new RecordedReply());
    expect(() => requests.open('a', new RecordedReply())).toThrow(expect.objectContaining({ code: 'DUPLICATE_ID' }));
    first.add('result', payload());
    const second = settle('a');
    expect(requests.find('a')).toBe(second);
    expect(requests.usage()).toMatchObject({ running: 0, settled: 1 });
  });

  test('finds running requests however old, settled ones until they are too old', () => {
    const { clock, requests, settle } = store();
    const running = requests.open('runs', new RecordedReply());
    settle('a');
    clock.advance(999);
    expect(requests.find('a')).not.toBeNull();
    settle('b');
    clock.advance(1);
    expect([requests.find('a'), requests.find('b') === null, requests.find('runs')]).toEqual([null, false, running]);
  });

  test('frees what is too old by itself, with one timer, and sets none when it is empty', () => {
    const { clock, requests, settle } = store();
    for (let count = 0; count < 10; count += 1) {
      settle(String(count));
      clock.advance(50);
    }
    expect(clock.pendingTimers).toBe(1);
    clock.advance(2000);
    expect([requests.usage(), clock.pendingTimers]).toEqual([{ running: 0, settled: 0, settledBytes: 0 }, 0]);
  });

  test('close ends the timer', () => {
    const { clock, requests, settle } = store();
    settle('a');
    requests.close();
    expect(clock.pendingTimers).toBe(0);
  });

  test('the one that settled first goes first, when entries or bytes are too many', () => {
    const few = store({ maxEntries: 2 });
    const early = few.requests.open('early', new RecordedReply());
    few.settle('a');
    few.settle('b');
    early.add('result', payload());
    expect(['a', 'b', 'early'].map((id) => few.requests.find(id) !== null)).toEqual([false, true, true]);
    const small = store({ maxBytes: 10_000 });
    for (const id of ['a', 'b', 'c']) small.settle(id, 4000);
    expect(['a', 'b', 'c'].map((id) => small.requests.find(id) !== null)).toEqual([false, true, true]);
    expect(small.requests.usage().settledBytes).toBeLessThanOrEqual(10_000);
  });

  test('an answer larger than the store is not kept, but whoever reads it reads on', () => {
    const { requests, settle } = store({ maxBytes: 10_000 });
    settle('other');
    const record = settle('large', 20_000);
    expect([requests.find('large'), requests.find('other'), requests.usage().settled]).toEqual([null, null, 0]);
    expect(record.nextAfter(0)?.type).toBe('result');
  });

  test.each([{ maxAgeMs: 0 }, { maxBytes: 0 }, { maxEntries: 0 }])('keeps nothing with %j, and says so', (options) => {
    const { requests, settle } = store(options);
    settle('a');
    expect([requests.keepsSettled, requests.find('a'), requests.usage().settled]).toEqual([false, null, 0]);
  });

  test('one id used again and again holds one record', () => {
    const { requests, settle } = store({ maxBytes: 100_000 });
    for (let count = 0; count < 1000; count += 1) settle('same', 5000);
    expect(requests.usage()).toMatchObject({ settled: 1 });
    expect(requests.usage().settledBytes).toBeLessThan(10_000);
  });

  test('a hundred thousand requests leave what is allowed', () => {
    const { requests, settle } = store({ maxEntries: 1000, maxBytes: 1e9 });
    for (let count = 0; count < 100_000; count += 1) settle(String(count));
    expect(requests.usage().settled).toBe(1000);
    expect([requests.find('98999'), requests.find('99000') === null]).toEqual([null, false]);
  });
});
