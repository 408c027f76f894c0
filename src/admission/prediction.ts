/**
 * How long a request would wait that comes now. Three things lie before it: what waits in the pipeline, what is admitted
 * but still arriving (its body is being read: work to come that the pipeline doesn't know of), and the front's own work
 * on those bodies, which is the narrowest place for cheap models and JSON.
 */
import type { Backlog } from '../contracts/job.ts';

/**
 * Admitted requests that are not in the pipeline yet, as work that comes soon: no more than were admitted of late. Those whose
 * bodies take long come one by one; 500 uploads over slow lines are not a queue.
 */
export function arrivingRequests(backlog: Backlog, admittedRequests: number, admittedOfLate: number): number {
  return Math.max(0, Math.min(admittedOfLate, admittedRequests - backlog.activeJobs));
}

const RECENT_MS = 500;

/** Counts events of the last 0.5 to 1 s, in two numbers. */
export class RecentCount {
  #current = 0;
  #previous = 0;
  #startMs = -Infinity;

  add(nowMs: number): void {
    this.#turn(nowMs);
    this.#current += 1;
  }

  read(nowMs: number): number {
    this.#turn(nowMs);
    return this.#current + this.#previous;
  }

  #turn(nowMs: number): void {
    const passedMs = nowMs - this.#startMs;
    if (passedMs < RECENT_MS) return;
    this.#previous = passedMs < 2 * RECENT_MS ? this.#current : 0;
    this.#current = 0;
    this.#startMs = nowMs;
  }
}

/** What a request that comes now has before it, in milliseconds. */
export interface PredictedWait {
  /** Until its batch starts: of two stages in a row the slower decides. */
  readonly waitMs: number;
  /** The part of it that is only on its way: bodies of this model, or of all in the front. They come when they come, so it is the unsure part. */
  readonly unsureMs: number;
}

/** Devices: the queue, then what arrives of this model. Front: what arrives of all models. */
export function predictWait({ waitMs, jobCostMs }: Backlog, arriving: number, arrivingInAll: number, frontMs: number): PredictedWait {
  const devicesMs = waitMs + arriving * jobCostMs;
  const frontWaitMs = arrivingInAll * frontMs;
  return frontWaitMs > devicesMs ? { waitMs: frontWaitMs, unsureMs: frontWaitMs } : { waitMs: devicesMs, unsureMs: arriving * jobCostMs };
}

/** Requests per sample: enough to smooth over one long turn of the loop. */
const SAMPLE_REQUESTS = 64;

/** Slower than that (32 requests/s) the loop's own chores would be counted as the requests' cost. */
const SAMPLE_LIMIT_MS = 2_000;

const SAMPLE_WEIGHT = 0.25;

/** Milliseconds of the front's event loop that one request takes, refusals and all, learned while requests come steadily. */
export class FrontCost {
  #costMs = 0;
  #requests = 0;
  #sampleStartMs = -Infinity;
  #activeMs = 0;
  readonly #loopActiveMs: () => number;

  /** @param loopActiveMs busy time of the event loop so far. */
  constructor(loopActiveMs: () => number) {
    this.#loopActiveMs = loopActiveMs;
  }

  /** 0 until it is known. */
  get costMs(): number {
    return this.#costMs;
  }

  requestDone(nowMs: number): void {
    this.#requests += 1;
    if (this.#requests < SAMPLE_REQUESTS) return;
    const activeMs = this.#loopActiveMs();
    if (nowMs - this.#sampleStartMs <= SAMPLE_LIMIT_MS) {
      const sampleMs = (activeMs - this.#activeMs) / this.#requests;
      this.#costMs += (sampleMs - this.#costMs) * (this.#costMs === 0 ? 1 : SAMPLE_WEIGHT);
    }
    this.#requests = 0;
    this.#activeMs = activeMs;
    this.#sampleStartMs = nowMs;
  }
}
