import { describe, expect, it } from 'vitest';
import { arrivingRequests, FrontCost, jobCostMs, predictWaitMs, RecentCount } from '../../../src/admission/prediction.ts';

describe('arrivingRequests', () => {
  it('counts what is admitted and not yet in the pipeline', () => {
    expect(arrivingRequests({ queuedJobs: 4, waitMs: 0, activeJobs: 7 }, 10, 100)).toBe(3);
  });

  it('knows only the queue when the pipeline tells no more', () => {
    expect(arrivingRequests({ queuedJobs: 4, waitMs: 0 }, 10, 100)).toBe(6);
  });

  it('is never more than were admitted of late: slow uploads are not a queue', () => {
    expect(arrivingRequests({ queuedJobs: 0, waitMs: 0, activeJobs: 0 }, 500, 20)).toBe(20);
  });

  it('is never negative', () => {
    expect(arrivingRequests({ queuedJobs: 12, waitMs: 0 }, 10, 100)).toBe(0);
  });
});

describe('jobCostMs', () => {
  it('takes the pipeline at its word', () => {
    expect(jobCostMs({ queuedJobs: 100, waitMs: 100, jobCostMs: 3 }, 9)).toBe(3);
  });

  it('derives it from a long queue, and keeps what it knew in a short one', () => {
    expect(jobCostMs({ queuedJobs: 100, waitMs: 50 }, 0)).toBe(0.5);
    expect(jobCostMs({ queuedJobs: 100, waitMs: 50 }, 9)).toBe(0.5);
    expect(jobCostMs({ queuedJobs: 7, waitMs: 50 }, 9)).toBe(9);
  });

  it("does not take other models' work for its own", () => {
    expect(jobCostMs({ queuedJobs: 10, waitMs: 1_000 }, 0.5)).toBe(0.5);
  });
});

describe('predictWaitMs', () => {
  it('adds what is arriving to the queue', () => {
    expect(predictWaitMs({ queuedJobs: 10, waitMs: 5 }, 20, 0.5, 20, 0.1)).toBe(15);
  });

  it('goes by the front where that is slower', () => {
    expect(predictWaitMs({ queuedJobs: 0, waitMs: 0 }, 20, 0.5, 60, 1)).toBe(60);
  });
});

describe('RecentCount', () => {
  it('forgets within a second', () => {
    const count = new RecentCount();
    for (let event = 0; event < 5; event += 1) count.add(1_000);
    expect(count.read(1_499)).toBe(5);
    count.add(1_600);
    expect(count.read(1_900)).toBe(6);
    expect(count.read(2_100)).toBe(1);
    expect(count.read(60_000)).toBe(0);
  });
});

describe('FrontCost', () => {
  function serve(cost: FrontCost, loop: { activeMs: number }, requests: number, fromMs: number, everyMs: number, activeEachMs: number): void {
    for (let request = 1; request <= requests; request += 1) {
      loop.activeMs += activeEachMs;
      cost.requestDone(fromMs + request * everyMs);
    }
  }

  it('learns what one request takes of the event loop', () => {
    const loop = { activeMs: 0 };
    const cost = new FrontCost(() => loop.activeMs);
    expect(cost.costMs).toBe(0);
    serve(cost, loop, 640, 0, 1, 0.4);
    expect(cost.costMs).toBeCloseTo(0.4, 6);
    serve(cost, loop, 6_400, 640, 1, 0.8);
    expect(cost.costMs).toBeCloseTo(0.8, 6);
  });

  it('learns nothing from a trickle, where the time goes into chores', () => {
    const loop = { activeMs: 0 };
    const cost = new FrontCost(() => loop.activeMs);
    serve(cost, loop, 640, 0, 100, 20);
    expect(cost.costMs).toBe(0);
  });
});
