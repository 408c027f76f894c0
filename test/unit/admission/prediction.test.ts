import { describe, expect, it } from 'vitest';
import { arrivingRequests, FrontCost, predictWait, RecentCount } from '../../../src/admission/prediction.ts';
import type { Backlog } from '../../../src/contracts/job.ts';

const backlog = (known: Partial<Backlog>): Backlog => ({ queuedJobs: 0, activeJobs: 0, waitMs: 0, jobCostMs: 0, serviceMs: 0, ...known });

describe('arrivingRequests', () => {
  it('counts what is admitted and not yet in the pipeline', () => {
    expect(arrivingRequests(backlog({ activeJobs: 7 }), 10, 100)).toBe(3);
  });

  it('is never more than were admitted of late: slow uploads are not a queue', () => {
    expect(arrivingRequests(backlog({}), 500, 20)).toBe(20);
  });

  it('is never negative', () => {
    expect(arrivingRequests(backlog({ activeJobs: 12 }), 10, 100)).toBe(0);
  });
});

describe('predictWait', () => {
  it('adds what is arriving to the queue', () => {
    expect(predictWait(backlog({ waitMs: 5, jobCostMs: 0.5 }), 20, 20, 0.1)).toEqual({ waitMs: 15, unsureMs: 10 });
  });

  it('goes by the front where that is slower', () => {
    expect(predictWait(backlog({ jobCostMs: 0.5 }), 20, 60, 1)).toEqual({ waitMs: 60, unsureMs: 60 });
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
