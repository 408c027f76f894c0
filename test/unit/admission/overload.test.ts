/** The bars of overload, in simulated time: 2 slots × 1 ms = 2,000 requests/s at most, Poisson arrivals, clients that wait 1 s. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/admission/policy.ts';
import { type Scenario, simulateOverload } from '../../support/overload-simulation.ts';

const PEAK_PER_SECOND = 2_000;

const SERVER: Scenario = {
  limits: DEFAULT_LIMITS,
  arrivalsPerSecond: PEAK_PER_SECOND,
  loadMs: 2_000,
  clientDeadlineMs: 1_000,
  deadlineTold: true,
  slots: 2,
  jobMs: 1,
  headMs: 0.03,
  bodyMs: 0.1,
  networkMs: 20,
  predictionBias: 1,
  seed: 1,
};

const VARIANTS: Readonly<Record<string, Partial<Scenario>>> = {
  'deadlines told': {},
  'deadlines not told': { deadlineTold: false },
  'jobs that take twice as long as predicted': { deadlineTold: false, predictionBias: 0.5 },
};

describe('admission under overload', () => {
  it('refuses nothing at half the peak', () => {
    const outcome = simulateOverload({ ...SERVER, arrivalsPerSecond: PEAK_PER_SECOND / 2, seed: 2 });
    expect(outcome.refused).toBe(0);
    expect(outcome.goodputPerSecond).toBeGreaterThan(0.45 * PEAK_PER_SECOND);
  });

  it('answers in time at the peak', () => {
    const outcome = simulateOverload(SERVER);
    expect(outcome.goodputPerSecond).toBeGreaterThan(0.95 * PEAK_PER_SECOND);
    expect(outcome.p99AcceptedMs).toBeLessThan(500);
  });

  describe.each(Object.entries(VARIANTS))('with %s', (_name, variant) => {
    it.each([2, 5, 10])('at %d times the peak keeps the peak, answers in time, and is empty again within a second', (factor) => {
      const outcome = simulateOverload({ ...SERVER, ...variant, arrivalsPerSecond: factor * PEAK_PER_SECOND });
      expect(outcome.goodputPerSecond).toBeGreaterThan(0.97 * PEAK_PER_SECOND);
      expect(outcome.p99AcceptedMs).toBeLessThan(SERVER.clientDeadlineMs);
      expect(outcome.drainedAfterMs).toBeLessThan(1_000);
      expect(outcome.maxAdmitted).toBeLessThan(1_100);
      expect(Math.min(...outcome.retryAfterMs)).toBeGreaterThan(0);
    });
  });

  it('protects a front that is slower than the devices, as with JSON', () => {
    const perRequestMs = 1;
    const factor = 2;
    const scenario = { ...SERVER, deadlineTold: false, jobMs: 0.2, bodyMs: perRequestMs, arrivalsPerSecond: factor * 970 };
    const outcome = simulateOverload(scenario);
    // What is left of the loop after reading every head.
    const possible = ((1_000 - scenario.arrivalsPerSecond * scenario.headMs) / perRequestMs);
    expect(outcome.goodputPerSecond).toBeGreaterThan(0.97 * possible);
    expect(outcome.p99AcceptedMs).toBeLessThan(SERVER.clientDeadlineMs);
  });

  it('is what keeps the peak: without limits nothing is in time at twice of it', () => {
    const limits = { ...DEFAULT_LIMITS, maxWaitMs: Infinity, deadlineShare: Infinity, maxRequests: Infinity, maxRequestsPerModel: Infinity, arenaShare: Infinity };
    const outcome = simulateOverload({ ...SERVER, limits, deadlineTold: false, loadMs: 4_000, arrivalsPerSecond: 2 * PEAK_PER_SECOND });
    expect(outcome.goodputPerSecond).toBeLessThan(0.05 * PEAK_PER_SECOND);
  });
});
