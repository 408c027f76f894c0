import { describe, expect, test } from 'vitest';
import { SluiceError } from '../../../src/errors.ts';
import { echoes, FLAT_COSTS, loadReport, Rig, servingModel, STEEP_COSTS } from '../../support/pipeline.ts';

describe('one job', () => {
  test('runs at once on an idle slot, is told that it started, and gets its own rows back', () => {
    const rig = new Rig([{ id: 'cpu' }]);
    const model = rig.serve(servingModel(), { cpu: FLAT_COSTS });
    const job = rig.submit(model);
    expect(rig.rowsRun()).toEqual([1]);
    expect(job.started).toEqual([{ device: 'cpu', batchRows: 1, queueMs: 0 }]);
    rig.clock.advance(3);
    rig.devices[0]!.finish();
    expect(echoes(job)).toBe(true);
    expect(job.result).toMatchObject({ device: 'cpu', batchRows: 1, timings: { queueMs: 0, computeInferMs: 3, totalMs: 3 } });
    expect(rig.arena.usage()).toMatchObject({ usedBytes: 0, leases: 0 });
    expect(rig.events.map(({ kind }) => kind)).toEqual(['batchDone', 'jobSucceeded']);
  });

  test('is told that it started even when the host does not say so', () => {
    const rig = new Rig([{ id: 'cpu' }]);
    const model = rig.serve(servingModel(), { cpu: FLAT_COSTS });
    const [device] = rig.devices;
    device!.listener = { batchStarted: () => undefined, batchDone: (result) => { rig.dispatcher.batchDone(result); }, batchLost: () => undefined, stateChanged: () => undefined };
    const job = rig.submit(model);
    device!.finish();
    expect(job.started).toHaveLength(1);
    expect(echoes(job)).toBe(true);
  });

  test('is refused for a model that is not served, an id that is in use, and a deadline that has passed', () => {
    const rig = new Rig([{ id: 'cpu' }]);
    const model = rig.serve(servingModel(), { cpu: FLAT_COSTS });
    expect(rig.submit(servingModel({ name: 'other' })).error?.code).toBe('NOT_READY');
    rig.submit(model, 1, { id: 'a' });
    const twin = rig.submit(model, 1, { id: 'a' });
    expect(twin.error?.code).toBe('DUPLICATE_ID');
    expect(rig.submit(model, 1, { timeoutMs: 0 }).error?.code).toBe('DEADLINE_PASSED');
    rig.drain();
    expect(rig.outcomes.map(({ ends }) => ends)).toEqual([1, 1, 1, 1]);
    expect(rig.submit(model, 1, { id: 'a' }).error).toBeNull();
    rig.drain();
    expect(rig.arena.usage().leases).toBe(0);
  });

  test('with inputs that disagree on their rows is refused with the input\'s name', () => {
    const rig = new Rig([{ id: 'cpu' }]);
    const model = rig.serve(servingModel({ tensors: [{ shape: [-1, 4], axis: 0 }, { shape: [-1, 2], axis: 0 }] }), { cpu: FLAT_COSTS });
    const job = rig.submit(model, 1, { shapes: [[2, 4], [3, 2]] });
    expect(job.error).toMatchObject({ code: 'BAD_TENSOR' });
    expect(job.error?.message).toContain('tensor1 has 3 rows');
    expect(rig.arena.usage().leases).toBe(0);
  });
});

describe('batches', () => {
  test('form behind a busy slot where they pay, and every job gets its own rows', () => {
    const rig = new Rig([{ id: 'gpu:0', kind: 'gpu' }]);
    const model = rig.serve(servingModel(), { 'gpu:0': STEEP_COSTS });
    const jobs = Array.from({ length: 6 }, () => rig.submit(model));
    rig.drain();
    expect(rig.rowsRun()).toEqual([1, 5]);
    expect(rig.devices[0]!.orders[1]).toMatchObject({ rows: 5, paddedRows: 8 });
    expect(jobs.every(echoes)).toBe(true);
    expect(jobs[5]!.result?.batchRows).toBe(5);
  });

  test('do not form on a flat curve: each slot takes one row at a time', () => {
    const rig = new Rig([{ id: 'cpu', slots: 2 }]);
    const model = rig.serve(servingModel(), { cpu: FLAT_COSTS }, {});
    const jobs = Array.from({ length: 6 }, () => rig.submit(model));
    rig.drain();
    // The overhead of a batch (0.05 ms) is 2.5 % of a row here: two at a time are worth it, four are not.
    expect(Math.max(...rig.rowsRun())).toBeLessThanOrEqual(2);
    expect(jobs.every(echoes)).toBe(true);
  });

  test('rows that lie together are one segment, in one order for all inputs', () => {
    const rig = new Rig([{ id: 'gpu:0', kind: 'gpu' }]);
    const model = rig.serve(servingModel({ tensors: [{ shape: [-1, 16], axis: 0 }, { shape: [-1, 32], axis: 0 }] }), { 'gpu:0': STEEP_COSTS });
    const jobs = Array.from({ length: 5 }, () => rig.submit(model));
    rig.drain();
    const order = rig.devices[0]!.orders[1]!;
    expect(order.inputs.map(({ segments }) => segments.map(({ rows, totalRows, rowStart }) => [rowStart, rows, totalRows]))).toEqual([[[0, 4, 4]], [[0, 4, 4]]]);
    expect(jobs.every(echoes)).toBe(true);
  });

  test('a job with several rows shares a batch; one larger than the maximum is split and joined in order', () => {
    const rig = new Rig([{ id: 'gpu:0', kind: 'gpu' }]);
    const model = rig.serve(servingModel({ tensors: [{ shape: [-1, 4], axis: 0 }, { shape: [3, -1, 2], axis: 1 }] }), { 'gpu:0': STEEP_COSTS });
    const jobs = [rig.submit(model, 1), rig.submit(model, 3), rig.submit(model, 21), rig.submit(model, 2)];
    rig.drain();
    expect(rig.rowsRun().reduce((sum, rows) => sum + rows)).toBe(27);
    expect(Math.max(...rig.rowsRun())).toBe(8);
    expect(jobs.every(echoes)).toBe(true);
    expect(jobs[2]!.started).toHaveLength(1);
    expect(rig.arena.usage().leases).toBe(0);
  });

  test('jobs with other shapes, or other bytes in an input that rows share, never meet', () => {
    const rig = new Rig([{ id: 'gpu:0', kind: 'gpu' }]);
    const model = rig.serve(servingModel({ dynamicShapes: true, tensors: [{ shape: [-1, -1], axis: 0 }, { shape: [2], axis: null }] }), { 'gpu:0': STEEP_COSTS });
    const shared = (value: number) => ({ fill: (bytes: Uint8Array, input: number) => void bytes.fill(input === 1 ? value : rig.outcomes.length) });
    rig.submit(model, 1, { shapes: [[1, 4], [2]], ...shared(0) });
    const jobs = [
      rig.submit(model, 1, { shapes: [[1, 4], [2]], ...shared(1) }),
      rig.submit(model, 1, { shapes: [[1, 8], [2]], ...shared(1) }),
      rig.submit(model, 1, { shapes: [[1, 4], [2]], ...shared(2) }),
      rig.submit(model, 1, { shapes: [[1, 4], [2]], ...shared(1) }),
    ];
    rig.drain();
    expect(rig.rowsRun()).toEqual([1, 2, 1, 1]);
    expect(jobs.every(echoes)).toBe(true);
  });

  test('models that do not batch run one job per slot, whatever their shapes', () => {
    const rig = new Rig([{ id: 'cpu', slots: 2 }]);
    const model = rig.serve(servingModel({ batchable: false, dynamicShapes: true, tensors: [{ shape: [-1, 4], axis: null }] }), { cpu: { 1: 5 } });
    const jobs = [3, 1, 7, 3].map((rows) => rig.submit(model, 1, { shapes: [[rows, 4]] }));
    expect(rig.devices[0]!.runningCount).toBe(2);
    rig.drain();
    expect(rig.rowsRun()).toEqual([1, 1, 1, 1]);
    expect(jobs.every(echoes)).toBe(true);
  });
});

describe('model.json overrides', () => {
  test('maxBatchSize bounds the batch', () => {
    const rig = new Rig([{ id: 'gpu:0', kind: 'gpu' }]);
    const model = rig.serve(servingModel({ policy: { maxBatchSize: 2 } }), { 'gpu:0': STEEP_COSTS });
    Array.from({ length: 6 }, () => rig.submit(model));
    rig.drain();
    expect(rig.rowsRun()).toEqual([1, 2, 2, 1]);
  });

  test('preferredBatchSizes: the largest that the queue reaches', () => {
    const rig = new Rig([{ id: 'cpu' }]);
    const model = rig.serve(servingModel({ policy: { preferredBatchSizes: [3, 5] } }), { cpu: FLAT_COSTS });
    Array.from({ length: 10 }, () => rig.submit(model));
    rig.drain();
    expect(rig.rowsRun()).toEqual([1, 5, 3, 1]);
  });

  test('maxQueueDelayMs holds a job on an idle device until it has passed or the batch is full', () => {
    const rig = new Rig([{ id: 'cpu' }]);
    const model = rig.serve(servingModel({ policy: { maxQueueDelayMs: 5, preferredBatchSizes: [4] } }), { cpu: FLAT_COSTS });
    rig.submit(model);
    rig.clock.advance(4.9);
    expect(rig.rowsRun()).toEqual([]);
    rig.clock.advance(0.1);
    expect(rig.rowsRun()).toEqual([1]);
    rig.devices[0]!.finish();
    Array.from({ length: 4 }, () => rig.submit(model));
    expect(rig.rowsRun()).toEqual([1, 4]);
    rig.drain();
    expect(rig.events.filter(({ kind }) => kind === 'batchDone').map(({ event }) => event['reason'])).toEqual(['delay', 'preferred']);
  });
});

describe('leaving', () => {
  test('a queued job that is cancelled leaves at once, with its memory; a running one keeps it until its batch ends', () => {
    const rig = new Rig([{ id: 'cpu' }]);
    const model = rig.serve(servingModel(), { cpu: FLAT_COSTS });
    const running = rig.submit(model);
    const queued = rig.submit(model);
    const before = rig.arena.usage().leases;
    rig.dispatcher.cancel(queued.id);
    expect(queued.error?.code).toBe('CANCELLED');
    expect(rig.arena.usage().leases).toBe(before - 1);
    rig.dispatcher.cancel(running.id);
    expect(running.error?.code).toBe('CANCELLED');
    expect(rig.arena.usage().leases).toBe(2);
    rig.dispatcher.cancel(running.id);
    rig.dispatcher.cancel('nobody');
    rig.drain();
    expect(rig.arena.usage().leases).toBe(0);
    expect([running, queued].map(({ ends, result }) => [ends, result])).toEqual([[1, null], [1, null]]);
  });

  test('a deadline that passes in the queue ends the job; one that passes while it runs does not', () => {
    const rig = new Rig([{ id: 'cpu' }]);
    const model = rig.serve(servingModel(), { cpu: FLAT_COSTS });
    const running = rig.submit(model, 1, { timeoutMs: 20 });
    const queued = rig.submit(model, 1, { timeoutMs: 30 });
    const patient = rig.submit(model);
    rig.clock.advance(25);
    expect(queued.error).toBeNull();
    rig.clock.advance(11);
    expect(queued.error?.code).toBe('DEADLINE_PASSED');
    rig.drain();
    expect(echoes(running) && echoes(patient)).toBe(true);
    expect(rig.rowsRun()).toEqual([1, 1]);
  });

  test('work past its deadline never starts, even before the timer has told it', () => {
    const rig = new Rig([{ id: 'cpu' }]);
    const model = rig.serve(servingModel(), { cpu: FLAT_COSTS });
    rig.submit(model);
    const late = rig.submit(model, 1, { timeoutMs: 12 });
    rig.clock.advance(12.5);
    rig.devices[0]!.finish();
    expect(late.error?.code).toBe('DEADLINE_PASSED');
    expect(rig.rowsRun()).toEqual([1]);
  });

  test('a split job whose rest can no longer start in time fails, and its running part is dropped', () => {
    const rig = new Rig([{ id: 'gpu:0', kind: 'gpu' }]);
    const model = rig.serve(servingModel(), { 'gpu:0': STEEP_COSTS });
    const job = rig.submit(model, 20, { timeoutMs: 10 });
    rig.clock.advance(20);
    expect(job.error?.code).toBe('DEADLINE_PASSED');
    rig.drain();
    expect(rig.rowsRun()).toEqual([8]);
    expect(job.ends).toBe(1);
    expect(rig.arena.usage().leases).toBe(0);
  });
});

describe('bounds', () => {
  test('more waiting jobs than a model or the server may have are refused with the predicted wait', () => {
    const rig = new Rig([{ id: 'cpu' }], { limits: { maxQueuedPerModel: 2, maxQueuedTotal: 3 } });
    const [a, b] = ['a', 'b'].map((name) => rig.serve(servingModel({ name }), { cpu: { 1: 100 } }));
    rig.submit(a!);
    rig.submit(a!);
    rig.submit(a!);
    const third = rig.submit(a!);
    expect(third.error?.code).toBe('OVERLOADED');
    // One runs for 100 ms, two wait for as long each.
    expect(third.error?.retryAfterMs).toBeCloseTo(300, -1);
    rig.submit(b!);
    expect(rig.submit(b!).error?.message).toContain('3 requests wait in all');
    expect(rig.events.filter(({ kind }) => kind === 'refused')).toHaveLength(2);
    rig.drain();
    expect(rig.arena.usage().leases).toBe(0);
  });

  test('a model\'s concurrency id is shared by name; models that disagree on its limit are refused with both limits', () => {
    const rig = new Rig([{ id: 'cpu', slots: 4 }]);
    const concurrency = { id: 'db', limit: 2 };
    const [a, b] = ['a', 'b'].map((name) => rig.serve(servingModel({ name, concurrency }), { cpu: FLAT_COSTS }));
    const free = rig.serve(servingModel({ name: 'free' }), { cpu: FLAT_COSTS });
    [a!, b!, a!, b!].forEach((model) => rig.submit(model));
    rig.turn();
    expect(rig.devices[0]!.runningCount).toBe(2);
    rig.submit(free);
    expect(rig.devices[0]!.runningCount).toBe(3);
    const other = servingModel({ name: 'c', concurrency: { id: 'db', limit: 3 } });
    const add = (model = other) => { rig.dispatcher.addModel(model, new Map([['cpu', loadReport(model, FLAT_COSTS)]])); };
    expect(() => { add(); }).toThrow(/limit 2 in a\/1 and 3 in c\/1/);
    expect(() => { add(servingModel({ name: 'd', concurrency: { id: 'cpu', limit: 4 } })); }).toThrow(/device's own/);
    rig.drain();
    expect(rig.outcomes.every(echoes)).toBe(true);
  });

  test('a model that is loaded anew brings a new limit, unless another model shares the id', () => {
    const rig = new Rig([{ id: 'cpu', slots: 4 }]);
    const model = (name: string, limit: number, revision = '') => ({ ...servingModel({ name, concurrency: { id: 'db', limit } }), key: `${name}/1${revision}` });
    rig.serve(model('a', 3), { cpu: FLAT_COSTS });
    const again = rig.serve(model('a', 1, '#2'), { cpu: FLAT_COSTS });
    [again, again].forEach((served) => rig.submit(served));
    rig.turn();
    expect(rig.devices[0]!.runningCount).toBe(1);
    expect(() => rig.serve(model('b', 2), { cpu: FLAT_COSTS })).toThrow(/limit 1 in a\/1 and 2 in b\/1/);
    rig.drain();
    expect(rig.outcomes.every(echoes)).toBe(true);
  });

  test('priority goes before arrival', () => {
    const rig = new Rig([{ id: 'cpu' }]);
    const model = rig.serve(servingModel({ batchable: false, tensors: [{ shape: [1, 4], axis: null }] }), { cpu: { 1: 1 } });
    const other = rig.serve(servingModel({ name: 'other', batchable: false, tensors: [{ shape: [1, 4], axis: null }] }), { cpu: { 1: 1 } });
    const done: string[] = [];
    rig.submit(model);
    rig.submit(model, 1, { id: 'low', priority: 5 });
    rig.submit(other, 1, { id: 'middle', priority: 2 });
    rig.submit(model, 1, { id: 'high', priority: 0 });
    rig.submit(other, 1, { id: 'second', priority: 2 });
    for (let i = 0; i < 5; i++) {
      rig.devices[0]!.finish();
      done.push(...rig.outcomes.filter(({ id, ends }) => ends === 1 && !done.includes(id)).map(({ id }) => id));
    }
    expect(done.slice(1)).toEqual(['high', 'middle', 'second', 'low']);
  });
});

describe('life cycle', () => {
  test('close takes nothing more and waits for the last job; destroy answers everybody now', async () => {
    const rig = new Rig([{ id: 'cpu' }]);
    const model = rig.serve(servingModel(), { cpu: FLAT_COSTS });
    const jobs = [rig.submit(model), rig.submit(model)];
    let closed = false;
    const closing = rig.dispatcher.close().then(() => { closed = true; });
    expect(rig.submit(model).error?.code).toBe('STOPPING');
    await Promise.resolve();
    expect(closed).toBe(false);
    rig.drain();
    await closing;
    expect(jobs.every(echoes)).toBe(true);

    const second = new Rig([{ id: 'cpu' }]);
    const other = second.serve(servingModel(), { cpu: FLAT_COSTS });
    const left = [second.submit(other), second.submit(other)];
    second.dispatcher.destroy(new SluiceError('STOPPING', 'the server is stopping'));
    expect(left.map(({ error }) => error?.code)).toEqual(['STOPPING', 'STOPPING']);
    await second.dispatcher.close();
    second.devices[0]!.destroy();
    expect(second.arena.usage().leases).toBe(0);
    expect(left.map(({ ends }) => ends)).toEqual([1, 1]);
    expect(second.clock.pendingTimers).toBe(0);
  });

  test('removeModel drains, then frees the key and the concurrency id', async () => {
    const rig = new Rig([{ id: 'cpu' }]);
    const model = rig.serve(servingModel({ concurrency: { id: 'x', limit: 1 } }), { cpu: FLAT_COSTS });
    const jobs = [rig.submit(model), rig.submit(model)];
    const removed = rig.dispatcher.removeModel(model.key);
    expect(rig.submit(model).error?.code).toBe('NOT_READY');
    rig.drain();
    await removed;
    expect(jobs.every(echoes)).toBe(true);
    await rig.dispatcher.removeModel(model.key);
    rig.serve(servingModel({ concurrency: { id: 'x', limit: 2 } }), { cpu: FLAT_COSTS });
    expect(rig.dispatcher.describeCosts('identity/1')).toEqual([]);
  });

  test('a device that ends for good leaves nobody waiting for it', () => {
    const rig = new Rig([{ id: 'gpu:0', kind: 'gpu' }]);
    const model = rig.serve(servingModel(), { 'gpu:0': STEEP_COSTS });
    const running = rig.submit(model);
    const queued = rig.submit(model);
    rig.devices[0]!.die('RESTARTING');
    expect(queued.ends).toBe(0);
    rig.devices[0]!.setState('DOWN');
    expect([running, queued].map(({ error }) => error?.code)).toEqual(['NOT_READY', 'NOT_READY']);
    expect(rig.submit(model).error?.code).toBe('NOT_READY');
    rig.devices[0]!.setState('READY');
    const later = rig.submit(model);
    rig.drain();
    expect(echoes(later)).toBe(true);
    expect(rig.arena.usage().leases).toBe(0);
  });
});
