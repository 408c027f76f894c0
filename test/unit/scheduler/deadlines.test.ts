import { describe, expect, test } from 'vitest';
import { Rig, servingModel, STEEP_COSTS } from '../../support/pipeline.ts';

/** Hardly cheaper per row in larger batches. */
const NEARLY_FLAT = { 1: 1, 2: 1.9, 4: 3.6 };

/** One slot that is busy: what is submitted now waits. */
function busy(costs: Readonly<Record<number, number>>): { rig: Rig; model: ReturnType<Rig['serve']> } {
  const rig = new Rig([{ id: 'cpu' }]);
  const model = rig.serve(servingModel(), { cpu: costs });
  rig.submit(model, 1, { id: 'runs' });
  return { rig, model };
}

describe('a batch whose first request would be late', () => {
  test('is made smaller where that costs little', () => {
    const { rig, model } = busy(NEARLY_FLAT);
    const hurried = rig.submit(model, 1, { timeoutMs: 3.4 });
    for (let index = 0; index < 3; index += 1) rig.submit(model);
    rig.devices[0]!.finish();
    expect(rig.rowsRun()).toEqual([1, 3]);
    rig.devices[0]!.finish();
    expect(hurried.result).not.toBeNull();
    expect(rig.events.filter(({ kind }) => kind === 'batchDone').map(({ event }) => event['reason'])).toContain('deadline');
  });

  test('goes without it where that would cost those behind it too much', () => {
    const { rig, model } = busy(STEEP_COSTS);
    const hurried = rig.submit(model, 1, { timeoutMs: 4.8 });
    const others = Array.from({ length: 7 }, () => rig.submit(model));
    rig.devices[0]!.finish();
    expect(hurried.error).toMatchObject({ code: 'DEADLINE_PASSED', message: 'after 0 ms in the queue, the 5 ms that are left are too few to answer in' });
    expect(rig.rowsRun()).toEqual([1, 7]);
    rig.drain();
    for (const { result } of others) expect(result).not.toBeNull();
  });

  test('is run all the same when nobody waits behind it: the prediction may be wrong', () => {
    const { rig, model } = busy(STEEP_COSTS);
    const hurried = rig.submit(model, 1, { timeoutMs: 0.5 });
    rig.devices[0]!.finish();
    rig.devices[0]!.finish();
    expect(hurried.result).not.toBeNull();
  });

  test('a request that is given up leaves with all that waits of it', () => {
    const { rig, model } = busy(STEEP_COSTS);
    const large = rig.submit(model, 20, { timeoutMs: 1 });
    const other = rig.submit(model);
    rig.devices[0]!.finish();
    expect(large.error?.code).toBe('DEADLINE_PASSED');
    expect(rig.rowsRun()).toEqual([1, 1]);
    rig.drain();
    expect(other.result).not.toBeNull();
    expect(rig.arena.usage().leases).toBe(0);
  });
});
