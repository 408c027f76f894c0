import { describe, expect, it } from 'vitest';
import { createGate, type Gate } from '../../../src/admission/gate.ts';
import { type AdmissionLimits, DEFAULT_LIMITS } from '../../../src/admission/policy.ts';
import type { Backlog } from '../../../src/contracts/job.ts';
import type { ServingModel } from '../../../src/contracts/model.ts';
import type { RequestHead } from '../../../src/contracts/stages.ts';
import { SluiceError } from '../../../src/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function model(name: string): ServingModel {
  const noBatching = { batchable: false, reason: 'test', inputAxes: [], outputAxes: [] };
  const policy = { maxBatchSize: null, maxQueueDelayMs: null, preferredBatchSizes: null };
  return { key: `${name}/1`, name, version: '1', inputs: [], outputs: [], batching: noBatching, policy, concurrency: null, dynamicShapes: false };
}

function head(overrides: Partial<RequestHead> = {}): RequestHead {
  return { model: model('text'), contentLength: 1_000, caller: 'alice', deadlineMs: Infinity, ...overrides };
}

interface World {
  readonly gate: Gate;
  readonly clock: FakeClock;
  backlog: Backlog;
  stopping: boolean;
  jitter: number;
}

function build(limits: Partial<AdmissionLimits> = {}): World {
  const clock = new FakeClock(1_000);
  const world = { clock, backlog: { queuedJobs: 0, waitMs: 0, activeJobs: 0, jobCostMs: 1, serviceMs: 0 }, stopping: false, jitter: 0 } as World;
  const gate = createGate({
    clock,
    limits: { ...DEFAULT_LIMITS, ...limits },
    backlog: () => world.backlog,
    arenaUsage: () => ({ totalBytes: 1_000_000, usedBytes: 0, leases: 0 }),
    stopping: () => world.stopping,
    loopActiveMs: () => 0,
    random: () => world.jitter,
  });
  return Object.assign(world, { gate });
}

function refusal(gate: Gate, request: RequestHead): SluiceError {
  try {
    gate.admit(request);
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
  throw new Error('it was admitted');
}

describe('the gate', () => {
  it('counts a request until its ticket is released, once', () => {
    const { gate } = build();
    const first = gate.admit(head());
    const second = gate.admit(head());
    expect(gate.admittedRequests()).toBe(2);
    first.release();
    first.release();
    expect(gate.admittedRequests()).toBe(1);
    second.release();
    expect(gate.admittedRequests()).toBe(0);
  });

  it('bounds each model and all of them', () => {
    const { gate } = build({ maxRequestsPerModel: 2, maxRequests: 3 });
    const ticket = gate.admit(head());
    gate.admit(head());
    expect(refusal(gate, head()).code).toBe('OVERLOADED');
    gate.admit(head({ model: model('other') }));
    expect(refusal(gate, head({ model: model('third') })).message).toContain('the server has 3');
    ticket.release();
    expect(() => gate.admit(head())).not.toThrow();
  });

  it('counts requests whose bodies are still arriving as work to come', () => {
    const world = build();
    const deadlineMs = world.clock.nowMs() + 20;
    for (let request = 0; request < 9; request += 1) world.gate.admit(head({ deadlineMs }));
    // 9 × 1 ms to come, or twice that, of 20 ms left.
    expect(refusal(world.gate, head({ deadlineMs })).code).toBe('OVERLOADED');
    // They have reached the pipeline and run: nothing waits.
    world.backlog = { queuedJobs: 0, waitMs: 0, activeJobs: 9, jobCostMs: 1, serviceMs: 0 };
    expect(() => world.gate.admit(head({ deadlineMs }))).not.toThrow();
  });

  it('takes bodies that take long for what they are: one by one, not a queue', () => {
    const world = build();
    for (let request = 0; request < 100; request += 1) world.gate.admit(head());
    expect(refusal(world.gate, head({ deadlineMs: world.clock.nowMs() + 100 })).code).toBe('OVERLOADED');
    world.clock.advance(5_000);
    expect(() => world.gate.admit(head({ deadlineMs: world.clock.nowMs() + 100 }))).not.toThrow();
  });

  it('keeps memory for what is on its way', () => {
    const { gate } = build();
    const large = gate.admit(head({ contentLength: 800_000 }));
    expect(refusal(gate, head({ contentLength: 200_000 })).message).toContain('memory');
    large.release();
    expect(() => gate.admit(head({ contentLength: 200_000 }))).not.toThrow();
  });

  it('caps each caller where asked to', () => {
    const { gate } = build({ maxRequestsPerCaller: 1 });
    const ticket = gate.admit(head());
    expect(refusal(gate, head()).code).toBe('TOO_MANY_REQUESTS');
    expect(() => gate.admit(head({ caller: 'bob' }))).not.toThrow();
    ticket.release();
    expect(() => gate.admit(head())).not.toThrow();
  });

  it('refuses everything once the server stops', () => {
    const world = build();
    world.stopping = true;
    const error = refusal(world.gate, head());
    expect(error.code).toBe('STOPPING');
    expect(error.retryAfterMs).toBe(1_000);
  });

  it('spreads retries over half the time as long again', () => {
    const world = build({ patientRequests: 0 });
    world.backlog = { queuedJobs: 800, waitMs: 800, activeJobs: 802, jobCostMs: 1, serviceMs: 0 };
    expect(refusal(world.gate, head()).retryAfterMs).toBe(800);
    world.jitter = 0.5;
    expect(refusal(world.gate, head()).retryAfterMs).toBe(1_000);
  });

  it('leaves stack traces of other errors as they were', () => {
    const world = build();
    world.stopping = true;
    const limit = Error.stackTraceLimit;
    refusal(world.gate, head());
    expect(Error.stackTraceLimit).toBe(limit);
  });
});
