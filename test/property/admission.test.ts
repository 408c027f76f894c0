import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGate } from '../../src/admission/gate.ts';
import { type AdmissionState, decideAdmission, DEFAULT_LIMITS } from '../../src/admission/policy.ts';
import type { ServingModel } from '../../src/contracts/model.ts';
import { ERROR_TABLE, SluiceError } from '../../src/errors.ts';
import { FakeClock } from '../support/fake-clock.ts';

const LIMITS = { ...DEFAULT_LIMITS, maxRequestsPerModel: 5, maxRequests: 8, maxRequestsPerCaller: 3, maxBodyBytes: 1_000 };

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('admit' as const), model: fc.nat(2), caller: fc.nat(3), contentLength: fc.option(fc.nat(1_200)), deadlineMs: fc.constantFrom(Infinity, 50, 5_000) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('release' as const), ticket: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('advance' as const), ms: fc.nat(700) }) },
);

describe('admission', () => {
  it('never exceeds a bound, loses no ticket, and refuses only for reasons in the table', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.array(fc.nat(10), { minLength: 3, maxLength: 3 }), (steps, queued) => {
        const clock = new FakeClock();
        const gate = createGate({
          clock,
          limits: LIMITS,
          backlog: (key) => {
            const queuedJobs = queued[Number(key)] ?? 0;
            return { queuedJobs, activeJobs: queuedJobs, waitMs: queuedJobs * 10, jobCostMs: 10, serviceMs: 10 };
          },
          arenaUsage: () => ({ totalBytes: 10_000, usedBytes: 0, leases: 0 }),
          stopping: () => false,
          loopActiveMs: () => clock.nowMs() / 2,
          random: () => 0.5,
        });
        const held: { model: number; caller: number; release(): void }[] = [];
        for (const action of steps) {
          if (action.type === 'advance') clock.advance(action.ms);
          else if (action.type === 'release') {
            const [ticket] = held.splice(action.ticket, 1);
            ticket?.release();
            ticket?.release();
          } else {
            const { model, caller, contentLength } = action;
            const head = { model: { key: String(model), name: 'm' } as ServingModel, caller: String(caller), contentLength, deadlineMs: clock.nowMs() + action.deadlineMs };
            try {
              held.push({ model, caller, ...gate.admit(head) });
            } catch (error) {
              if (!(error instanceof SluiceError)) throw error;
              expect(['OVERLOADED', 'TOO_LARGE', 'TOO_MANY_REQUESTS']).toContain(error.code);
              if (ERROR_TABLE[error.code].retryable) expect(error.retryAfterMs).toBeGreaterThan(0);
            }
          }
          expect(gate.admittedRequests()).toBe(held.length);
          expect(held.length).toBeLessThanOrEqual(LIMITS.maxRequests);
          for (const model of [0, 1, 2]) expect(held.filter((ticket) => ticket.model === model).length).toBeLessThanOrEqual(LIMITS.maxRequestsPerModel);
          for (const caller of [0, 1, 2, 3]) expect(held.filter((ticket) => ticket.caller === caller).length).toBeLessThanOrEqual(LIMITS.maxRequestsPerCaller);
        }
      }),
    );
  });

  it('is monotone: who is refused at a short wait is refused at a longer one', () => {
    const state = fc.record<AdmissionState>({
      stopping: fc.constant(false),
      modelRequests: fc.nat(600),
      callerRequests: fc.constant(0),
      requests: fc.nat(600),
      bodyBytes: fc.nat(1e6),
      arena: fc.constant({ totalBytes: 1e7, usedBytes: 0, leases: 0 }),
      queueEmpty: fc.boolean(),
      waitMs: fc.double({ min: 0, max: 2_000, noNaN: true }),
      unsureMs: fc.double({ min: 0, max: 1_000, noNaN: true }),
      serviceMs: fc.double({ min: 0, max: 100, noNaN: true }),
    });
    fc.assert(
      fc.property(state, fc.double({ min: 0, max: 1_000, noNaN: true }), fc.double({ min: 0.1, max: 5_000, noNaN: true }), (now, moreMs, leftMs) => {
        const request = { modelName: 'm', contentLength: 10, deadlineMs: leftMs };
        const short = decideAdmission(DEFAULT_LIMITS, now, request, 0);
        const long = decideAdmission(DEFAULT_LIMITS, { ...now, waitMs: now.waitMs + moreMs }, request, 0);
        if (!short.admitted) expect(long.admitted).toBe(false);
        if (now.queueEmpty && now.requests < DEFAULT_LIMITS.maxRequests) expect(long.admitted).toBe(true);
      }),
    );
  });
});
