import { describe, expect, test } from 'vitest';
import { chargeCaller, createCallerShares, shareOf } from '../../../src/scheduler/fairness.ts';
import { DEFAULT_TUNING } from '../../../src/scheduler/tuning.ts';
import { Rig, servingModel, type Outcome } from '../../support/pipeline.ts';

const NO_BATCHING = { policy: { maxBatchSize: 1 } };

/** One CPU with one slot and no staging, where a row takes `rowMs`. */
function oneSlot(): Rig {
  return new Rig([{ id: 'cpu' }]);
}

/** Ends batches, one by one, and names the jobs in the order in which they were answered. */
function order(rig: Rig, count: number): string[] {
  const answered: string[] = [];
  for (let index = 0; index < count; index += 1) {
    rig.turn();
    const before = new Set(rig.outcomes.filter(({ ends }) => ends > 0));
    rig.devices[0]!.finish();
    for (const outcome of rig.outcomes) if (outcome.ends > 0 && !before.has(outcome)) answered.push(outcome.id);
  }
  return answered;
}

const many = (count: number, submit: (index: number) => Outcome): Outcome[] => Array.from({ length: count }, (_, index) => submit(index));

describe('callers of one model', () => {
  test('a quiet caller goes before the backlog of a busy one', () => {
    const rig = oneSlot();
    const model = rig.serve(servingModel(NO_BATCHING), { cpu: { 1: 1 } });
    many(100, (index) => rig.submit(model, 1, { id: `busy ${index}`, caller: 'busy' }));
    rig.submit(model, 1, { id: 'quiet', caller: 'quiet' });
    expect(order(rig, 3)).toContain('quiet');
  });

  test('share rows, not requests', () => {
    const rig = oneSlot();
    const model = rig.serve(servingModel(NO_BATCHING), { cpu: { 1: 1 } });
    many(50, (index) => rig.submit(model, 4, { id: `large ${index}`, caller: 'large' }));
    many(200, (index) => rig.submit(model, 1, { id: `small ${index}`, caller: 'small' }));
    const answered = order(rig, 160);
    const rowsOf = (name: string, rows: number): number => rows * answered.filter((id) => id.startsWith(name)).length;
    expect(rowsOf('large', 4)).toBeGreaterThan(70);
    expect(rowsOf('small', 1)).toBeGreaterThan(70);
  });

  test('each caller is served in the order in which it asked', () => {
    const rig = oneSlot();
    const model = rig.serve(servingModel(NO_BATCHING), { cpu: { 1: 1 } });
    many(30, (index) => rig.submit(model, 1, { id: `${index % 3} ${index}`, caller: String(index % 3) }));
    const answered = order(rig, 30);
    for (const caller of ['0', '1', '2']) {
      const own = answered.filter((id) => id.startsWith(`${caller} `));
      expect(own).toEqual(own.toSorted((a, b) => Number(a.slice(2)) - Number(b.slice(2))));
    }
  });

  test('who cancels pays for nothing', () => {
    const rig = oneSlot();
    const model = rig.serve(servingModel(NO_BATCHING), { cpu: { 1: 1 } });
    rig.submit(model, 1, { id: 'runs', caller: 'other' });
    for (const { id } of many(100, (index) => rig.submit(model, 1, { id: `gone ${index}`, caller: 'fickle' }))) rig.dispatcher.cancel(id);
    many(10, (index) => rig.submit(model, 1, { id: `other ${index}`, caller: 'other' }));
    rig.submit(model, 1, { id: 'stays', caller: 'fickle' });
    expect(order(rig, 3)).toContain('stays');
  });

  test('who was away has saved up nothing', () => {
    const rig = oneSlot();
    const model = rig.serve(servingModel(NO_BATCHING), { cpu: { 1: 1 } });
    many(200, (index) => rig.submit(model, 1, { id: `busy ${index}`, caller: 'busy' }));
    order(rig, 100);
    many(50, (index) => rig.submit(model, 1, { id: `late ${index}`, caller: 'late' }));
    const late = order(rig, 40).filter((id) => id.startsWith('late')).length;
    expect(late).toBeGreaterThanOrEqual(18);
    expect(late).toBeLessThanOrEqual(22);
  });

  test('a quiet caller is told a short wait beside the backlog of a busy one', () => {
    const rig = oneSlot();
    const model = rig.serve(servingModel(NO_BATCHING), { cpu: { 1: 1 } });
    many(1000, () => rig.submit(model, 1, { caller: 'busy' }));
    const quietMs = rig.dispatcher.backlog(model.key, 'quiet').waitMs;
    expect(rig.dispatcher.backlog(model.key, 'busy').waitMs).toBeGreaterThan(100 * quietMs);
    const { id } = rig.submit(model, 1, { caller: 'quiet' });
    expect(rig.dispatcher.position(id)).toMatchObject({ queueSize: 1000 });
    expect(rig.dispatcher.position(id)!.position).toBeLessThan(5);
  });
});

describe('callers whose requests differ in shape', () => {
  const DYNAMIC = { tensors: [{ shape: [-1, -1], axis: 0 }], dynamicShapes: true, policy: { maxBatchSize: 1 } } as const;

  test('a queue that is emptied is not compared with others', () => {
    const rig = oneSlot();
    const model = rig.serve(servingModel(DYNAMIC), { cpu: { 1: 1 } });
    const other = rig.serve(servingModel({ name: 'other', ...NO_BATCHING }), { cpu: { 1: 1 } });
    rig.submit(model, 1, { shapes: [[1, 4]] });
    rig.submit(model, 1, { shapes: [[1, 4]], caller: 'x' });
    rig.submit(model, 1, { shapes: [[1, 8]], caller: 'x' });
    rig.submit(model, 1, { shapes: [[1, 8]], caller: 'y' });
    rig.submit(model, 1, { shapes: [[1, 12]], caller: 'z' });
    rig.submit(other, 1, { caller: 'z' });
    rig.drain();
    expect(rig.outcomes.map(({ ends, error }) => [ends, error])).toEqual(rig.outcomes.map(() => [1, null]));
  });

  test('one caller is served in the order in which it asked, whatever the shapes', () => {
    const rig = oneSlot();
    const model = rig.serve(servingModel(DYNAMIC), { cpu: { 1: 1 } });
    many(40, (index) => rig.submit(model, 1, { id: `x ${index}`, caller: 'x', shapes: [[1, 4 * (1 + (index % 7))]] }));
    many(10, (index) => rig.submit(model, 1, { id: `y ${index}`, caller: 'y', shapes: [[1, 4 * (1 + (index % 3))]] }));
    const answered = order(rig, 50);
    for (const caller of ['x', 'y']) {
      const own = answered.filter((id) => id.startsWith(caller));
      expect(own).toEqual(own.toSorted((a, b) => Number(a.slice(2)) - Number(b.slice(2))));
    }
    expect(answered.slice(0, 24).filter((id) => id.startsWith('y')).length).toBeGreaterThanOrEqual(9);
  });
});

test('callers that come once are forgotten', () => {
  const shares = createCallerShares();
  for (let index = 0; index < 10_000; index += 1) chargeCaller(shares, shareOf(shares, `once ${index}`), 5);
  expect(shares.known.size).toBeLessThan(2_048);
});

describe('models on one device', () => {
  test('share its time, whatever their requests cost', () => {
    const rig = new Rig([{ id: 'cpu', costMs: (order_) => (order_.modelKey === 'heavy/1' ? 10 : 1) }]);
    const heavy = rig.serve(servingModel({ name: 'heavy', ...NO_BATCHING }), { cpu: { 1: 10 } });
    const light = rig.serve(servingModel({ name: 'light', ...NO_BATCHING }), { cpu: { 1: 1 } });
    many(200, () => rig.submit(heavy));
    many(2000, () => rig.submit(light));
    rig.turn();
    rig.clock.advance(1000);
    const ran = (key: string): number => rig.devices[0]!.orders.filter(({ modelKey }) => modelKey === key).length;
    const [heavyMs, lightMs] = [10 * ran('heavy/1'), ran('light/1')];
    expect(heavyMs + lightMs).toBeGreaterThan(500);
    expect(heavyMs / (heavyMs + lightMs)).toBeGreaterThan(0.35);
    expect(heavyMs / (heavyMs + lightMs)).toBeLessThan(0.65);
  });
});

describe('priority', () => {
  test('an urgent request goes first, and one that has waited for long is as urgent', () => {
    const rig = oneSlot();
    const model = rig.serve(servingModel(NO_BATCHING), { cpu: { 1: 1 } });
    rig.submit(model, 1, { id: 'runs', priority: 1 });
    rig.submit(model, 1, { id: 'low', priority: 9 });
    many(3, (index) => rig.submit(model, 1, { id: `urgent ${index}`, priority: 1 }));
    expect(order(rig, 3)).toEqual(['runs', 'urgent 0', 'urgent 1']);
    rig.clock.advance(DEFAULT_TUNING.agingMs + 2 * DEFAULT_TUNING.deadlineTickMs);
    many(3, (index) => rig.submit(model, 1, { id: `later ${index}`, priority: 1 }));
    expect(order(rig, 2)).toEqual(['urgent 2', 'low']);
  });
});
