import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DeviceState } from '../../../src/contracts/device.ts';
import type { DevicePlan, Ending, ModelPlan, WorldPlan } from '../../support/scheduler-plan.ts';
import { World } from '../../support/scheduler-world.ts';

const model: fc.Arbitrary<ModelPlan> = fc.record({
  batchable: fc.constantFrom(true, true, true, false),
  layout: fc.constantFrom('first', 'second', 'both', 'dynamic'),
  sizes: fc.integer({ min: 1, max: 4 }),
  baseMs: fc.constantFrom(0.1, 1, 5),
  // Flat in all, falling a row, level a row, rising a row.
  exponent: fc.constantFrom(0, 0.3, 1, 1.4),
  maxBatchSize: fc.option(fc.integer({ min: 1, max: 10 })),
  maxQueueDelayMs: fc.option(fc.integer({ min: 0, max: 20 }), { freq: 3 }),
  preferredBatchSizes: fc.option(fc.constantFrom([4], [2, 6], [8]), { freq: 4 }),
  concurrency: fc.option(fc.nat({ max: 1 })),
  devices: fc.integer({ min: 1, max: 15 }),
});
const models = fc.array(model, { minLength: 1, maxLength: 4 });
const limits = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }));
const slots = fc.integer({ min: 1, max: 4 });
const prefetch = fc.nat({ max: 2 });

function worldOf(devices: fc.Arbitrary<readonly DevicePlan[]>, alike: boolean): fc.Arbitrary<WorldPlan> {
  return fc.record({ devices, models, limits, alike: fc.constant(alike) });
}

const ONE_CPU = worldOf(fc.record({ kind: fc.constant('cpu' as const), slots, prefetch, slowness: fc.constant(1) }).map((device) => [device]), true);
const EQUAL_GPUS = worldOf(fc.array(fc.record({ kind: fc.constant('gpu' as const), slots: fc.integer({ min: 1, max: 2 }), prefetch, slowness: fc.constant(1) }), { minLength: 1, maxLength: 4 }), true);
const MIXED = worldOf(fc.array(fc.record({ kind: fc.constantFrom('cpu' as const, 'gpu' as const), slots, prefetch, slowness: fc.constantFrom(1, 1, 3, 20) }), { minLength: 2, maxLength: 4 }), false);

type Step = (world: World) => void;
const which = fc.nat({ max: 30 });
const job = fc.record({ model: which, rows: fc.integer({ min: 1, max: 20 }), priority: fc.nat({ max: 2 }), timeoutMs: fc.option(fc.integer({ min: 1, max: 60 })), width: fc.constantFrom(2, 4) });
const ending = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Ending>('ok') },
  { weight: 3, arbitrary: fc.constantFrom<Ending>('MODEL_FAILED', 'OUT_OF_MEMORY', 'BAD_ORDER', 'OUTPUT_SPACE', 'lie') },
);

/** A step prints as what it does when a run fails. */
function step<T extends readonly unknown[]>(name: string, args: fc.Arbitrary<T>, run: (world: World, ...given: T) => void): fc.Arbitrary<Step> {
  return args.map((given) => Object.assign((world: World) => { run(world, ...given); }, { toString: () => `${name}(${JSON.stringify(given)})` }));
}

const steps = fc.array(fc.oneof(
  { weight: 8, arbitrary: step('submit', fc.tuple(fc.array(job, { minLength: 1, maxLength: 5 })), (world, jobs) => {
    for (const { model: index, rows, priority, timeoutMs, width } of jobs) world.submit(index, rows, priority, timeoutMs, width);
  }) },
  { weight: 10, arbitrary: step('finish', fc.tuple(which, which, ending), (world, device, batch, how) => { world.finish(device, batch, how); }) },
  { weight: 5, arbitrary: step('advance', fc.tuple(fc.oneof(fc.constantFrom(0.1, 1, 5), fc.integer({ min: 1, max: 80 }))), (world, ms) => { world.rig.clock.advance(ms); }) },
  { weight: 2, arbitrary: step('cancel', fc.tuple(which), (world, index) => { world.cancel(index); }) },
  { weight: 1, arbitrary: step('change', fc.tuple(which, fc.constantFrom<DeviceState>('RESTARTING', 'DOWN', 'STARTING'), fc.boolean()), (world, device, state, dies) => { world.change(device, state, dies); }) },
  { weight: 2, arbitrary: step('ready', fc.tuple(which), (world, device) => { world.change(device, 'READY', false); }) },
  { weight: 1, arbitrary: step('place', fc.tuple(which, fc.integer({ min: 1, max: 15 })), (world, index, devices) => { world.place(index, devices); }) },
  { weight: 1, arbitrary: step('squeeze', fc.tuple(fc.constantFrom(0, 100, 5_000)), (world, bytes) => { world.squeeze(bytes); }) },
  { weight: 1, arbitrary: step('relax', fc.tuple(), (world) => { world.relax(); }) },
), { maxLength: 60, size: 'max' });

/**
 * World checks after each step: slots, prefetch and permits are never exceeded; no idle slot is left beside rows that could run
 * there; nothing starts past its deadline, twice, or beside strangers; answers are a job's own rows, in order; errors have their
 * reason. At the end everything has settled once and all memory is free.
 */
function keepsItsPromises(plan: fc.Arbitrary<WorldPlan>): void {
  fc.assert(fc.property(plan, steps, (given, run) => {
    const world = new World(given);
    for (const act of run) {
      act(world);
      world.check();
      expect(world.faults).toEqual([]);
    }
    world.settle();
    expect(world.faults).toEqual([]);
  }), { numRuns: 400 });
}

describe('whatever comes, the dispatcher keeps its promises', () => {
  test('on one CPU with some slots', () => { keepsItsPromises(ONE_CPU); });
  test('on equal GPUs', () => { keepsItsPromises(EQUAL_GPUS); });
  test('on devices of several kinds and speeds', () => { keepsItsPromises(MIXED); });
});

test('found by the above: an urgent job that comes later does not hold an older one beyond its delay', () => {
  const plan: ModelPlan = { batchable: true, layout: 'first', sizes: 3, baseMs: 0.1, exponent: 0, maxBatchSize: null, maxQueueDelayMs: 2, preferredBatchSizes: null, concurrency: null, devices: 1 };
  const world = new World({ devices: [{ kind: 'cpu', slots: 1, prefetch: 0, slowness: 1 }], models: [plan], limits: [], alike: true });
  world.submit(0, 1, 1, null, 4);
  world.rig.clock.advance(1);
  world.submit(0, 1, 0, null, 4);
  world.rig.clock.advance(1);
  world.check();
  expect(world.faults).toEqual([]);
  expect(world.rig.rowsRun()).toEqual([2]);
});
