/** The gate before the pipeline: counts who is in, asks the policy, hands out tickets. */
import type { ArenaUsage } from '../contracts/arena.ts';
import type { Clock } from '../contracts/clock.ts';
import type { Backlog } from '../contracts/job.ts';
import type { ModelKey } from '../contracts/model.ts';
import type { Admission, RequestHead } from '../contracts/stages.ts';
import { SluiceError } from '../errors.ts';
import { type AdmissionLimits, decideAdmission } from './policy.ts';
import { arrivingRequests, FrontCost, predictWait, RecentCount, type PredictedWait } from './prediction.ts';

/** A body whose length is not told (chunked) is taken to be this large. */
const UNTOLD_BODY_BYTES = 64 * 1024;

/** Refused callers come back spread over this share of the time they were told. */
const JITTER_SHARE = 0.5;

export interface GateOptions {
  readonly clock: Clock;
  readonly limits: AdmissionLimits;
  /** `Pipeline.backlog`: asked once per request, so it must be cheap. */
  readonly backlog: (key: ModelKey, caller: string) => Backlog;
  readonly arenaUsage: () => ArenaUsage;
  readonly stopping: () => boolean;
  /** Busy time of the event loop so far: `performance.eventLoopUtilization().active`. */
  readonly loopActiveMs: () => number;
  /** From 0 up to 1: `Math.random`. */
  readonly random: () => number;
}

/** What is in of one model. Dropped when nothing is, so that unloaded models leave nothing behind. */
class ModelLoad {
  requests = 0;
  arriving = 0;
  readonly ofLate = new RecentCount();
}

export interface Gate extends Admission {
  /** Requests that are admitted and not over. */
  admittedRequests(): number;
}

/**
 * `admit` throws STOPPING, TOO_LARGE, DEADLINE_PASSED, TOO_MANY_REQUESTS or OVERLOADED; the retryable ones with `retryAfterMs`.
 * A ticket counts until `release()`; releasing twice is harmless, since a reply can end in two ways at once.
 */
export function createGate(options: GateOptions): Gate {
  const { clock, limits } = options;
  const loads = new Map<ModelKey, ModelLoad>();
  const callers = new Map<string, number>();
  const front = new FrontCost(options.loopActiveMs);
  let requests = 0;
  let bodyBytes = 0;
  let arriving = 0;

  function recount(load: ModelLoad, backlog: Backlog, nowMs: number): void {
    setArriving(load, arrivingRequests(backlog, load.requests, load.ofLate.read(nowMs)));
  }

  function setArriving(load: ModelLoad, count: number): void {
    arriving += count - load.arriving;
    load.arriving = count;
  }

  function refusal(head: RequestHead, backlog: Backlog, load: ModelLoad, wait: PredictedWait, nowMs: number): SluiceError | null {
    const decision = decideAdmission(
      limits,
      {
        stopping: options.stopping(),
        modelRequests: load.requests,
        callerRequests: limits.maxRequestsPerCaller === null ? 0 : (callers.get(head.caller) ?? 0),
        requests,
        bodyBytes,
        arena: options.arenaUsage(),
        queueEmpty: backlog.queuedJobs === 0 && arriving === 0,
        ...wait,
        serviceMs: backlog.serviceMs,
      },
      { modelName: head.model.name, contentLength: head.contentLength, deadlineMs: head.deadlineMs },
      nowMs,
    );
    if (decision.admitted) return null;
    const { code, message, retryAfterMs } = decision;
    return stackless(() => new SluiceError(code, message, retryAfterMs === null ? {} : { retryAfterMs: retryAfterMs * (1 + JITTER_SHARE * options.random()) }));
  }

  return {
    admit(head) {
      const nowMs = clock.nowMs();
      const { key } = head.model;
      const backlog = options.backlog(key, head.caller);
      const load = loads.get(key) ?? new ModelLoad();
      recount(load, backlog, nowMs);
      // What other models have arriving is in the front's way too, and may have arrived since they were last asked for.
      for (const [other, beside] of loads) {
        if (beside !== load && beside.arriving > 0) recount(beside, options.backlog(other, head.caller), nowMs);
      }
      const wait = predictWait(backlog, load.arriving, arriving, front.costMs);
      const error = refusal(head, backlog, load, wait, nowMs);
      if (error !== null) throw error;

      loads.set(key, load);
      load.requests += 1;
      load.ofLate.add(nowMs);
      setArriving(load, load.arriving + 1);
      requests += 1;
      const bytes = head.contentLength ?? UNTOLD_BODY_BYTES;
      bodyBytes += bytes;
      if (limits.maxRequestsPerCaller !== null) callers.set(head.caller, (callers.get(head.caller) ?? 0) + 1);

      let released = false;
      return {
        release() {
          if (released) return;
          released = true;
          requests -= 1;
          bodyBytes -= bytes;
          load.requests -= 1;
          if (load.arriving > load.requests) setArriving(load, load.requests);
          if (load.requests === 0) loads.delete(key);
          if (limits.maxRequestsPerCaller !== null) leave(callers, head.caller);
          front.requestDone(clock.nowMs());
        },
      };
    },
    admittedRequests: () => requests,
  };
}

/** A refusal's stack is always this file. Taking it costs 4 of the 6 µs of a refusal, 8,000 times a second at five times the peak. */
function stackless(make: () => SluiceError): SluiceError {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

function leave(callers: Map<string, number>, caller: string): void {
  const left = (callers.get(caller) ?? 1) - 1;
  if (left > 0) callers.set(caller, left);
  else callers.delete(caller);
}
