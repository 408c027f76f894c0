/**
 * Whether a request comes in, decided on its headers: pure, all figures are given.
 *
 * The queue is bounded by time, not by number: a request is refused when its predicted wait takes too much of what its
 * deadline leaves. Work that would be late anyway is refused while refusing is still cheap (reading a body of 110 KB
 * costs more than the refusal), and the wait of what is admitted stays short at any load.
 */
import type { ArenaUsage } from '../contracts/arena.ts';
import type { ErrorCode } from '../errors.ts';

export interface AdmissionLimits {
  readonly maxBodyBytes: number;
  /** Requests that are admitted and not over, of one model and in all. */
  readonly maxRequestsPerModel: number;
  readonly maxRequests: number;
  /** Requests of one caller that are admitted and not over; null for no limit. */
  readonly maxRequestsPerCaller: number | null;
  /** Share of the arena that admitted requests may fill; the rest is for outputs. */
  readonly arenaShare: number;
  /** Share of a request's remaining time that waiting and its batch may take. Predictions are off by some; who is late after all is given up later. */
  readonly deadlineShare: number;
  /**
   * Longest predicted wait whatever the deadline: most callers give up after about a second without having said so.
   * It holds only beyond `patientRequests`.
   */
  readonly maxWaitMs: number;
  /** Requests of one model that may be in before `maxWaitMs` counts, so that a slow model can be used in parallel. */
  readonly patientRequests: number;
}

export const DEFAULT_LIMITS: AdmissionLimits = {
  maxBodyBytes: 64 * 1024 * 1024,
  maxRequestsPerModel: 4096,
  maxRequests: 16_384,
  maxRequestsPerCaller: null,
  arenaShare: 0.9,
  deadlineShare: 0.85,
  maxWaitMs: 250,
  patientRequests: 256,
};

/** How things stand when a request comes. */
export interface AdmissionState {
  readonly stopping: boolean;
  /** Admitted and not over: of this model, of this caller, in all. */
  readonly modelRequests: number;
  readonly callerRequests: number;
  readonly requests: number;
  /** Body bytes of all that are admitted and not over. */
  readonly bodyBytes: number;
  readonly arena: ArenaUsage;
  /** Whether anything waits for the model or is on its way to: only then can waiting be too long. */
  readonly queueEmpty: boolean;
  /** Predicted milliseconds until a request that comes now would start. */
  readonly waitMs: number;
  /** The part of it that may as well be twice as long. */
  readonly unsureMs: number;
  /** Predicted milliseconds from its start to its end. */
  readonly serviceMs: number;
}

export interface AdmissionRequest {
  readonly modelName: string;
  /** Null when the body's length is not told. */
  readonly contentLength: number | null;
  readonly deadlineMs: number;
}

export type AdmissionDecision =
  | { readonly admitted: true }
  /** `retryAfterMs`: when what waits now will be done, before jitter; null where trying again is no use. */
  | { readonly admitted: false; readonly code: ErrorCode; readonly message: string; readonly retryAfterMs: number | null };

const ADMITTED: AdmissionDecision = { admitted: true };

/** Long enough for another replica to be found, or for a restart. */
const STOPPING_RETRY_MS = 1_000;

/** Below this a retry would meet the same queue. */
const MIN_RETRY_MS = 50;

/** Decides by, in this order: stopping, size, deadline, the caller's share, counts, memory, predicted wait. */
export function decideAdmission(limits: AdmissionLimits, state: AdmissionState, request: AdmissionRequest, nowMs: number): AdmissionDecision {
  if (state.stopping) return refuse('STOPPING', 'the server is stopping; send the request to another one', STOPPING_RETRY_MS);
  const bodyBytes = request.contentLength ?? 0;
  if (bodyBytes > limits.maxBodyBytes) {
    return refuse('TOO_LARGE', `the body has ${String(bodyBytes)} bytes, and ${String(limits.maxBodyBytes)} are allowed; send fewer rows at once`, null);
  }
  const leftMs = request.deadlineMs - nowMs;
  if (leftMs <= 0) return refuse('DEADLINE_PASSED', 'the deadline had passed when the request came; allow it more time', null);
  if (limits.maxRequestsPerCaller !== null && state.callerRequests >= limits.maxRequestsPerCaller) {
    return refuse('TOO_MANY_REQUESTS', `this caller has ${String(state.callerRequests)} requests running, and may have no more; wait for one to end`, state.waitMs);
  }
  return decideByLoad(limits, state, request, bodyBytes, leftMs);
}

function decideByLoad(limits: AdmissionLimits, state: AdmissionState, request: AdmissionRequest, bodyBytes: number, leftMs: number): AdmissionDecision {
  if (state.modelRequests >= limits.maxRequestsPerModel) {
    return refuse('OVERLOADED', `model '${request.modelName}' has ${String(state.modelRequests)} requests waiting, and takes no more; try again later`, state.waitMs);
  }
  if (state.requests >= limits.maxRequests) {
    return refuse('OVERLOADED', `the server has ${String(state.requests)} requests waiting, and takes no more; try again later`, state.waitMs);
  }
  // Bodies on their way hold nothing in the arena yet, so the larger of the two figures counts. A request that is alone always fits
  // as far as this can tell: whether it really does is for the decoder to say.
  const usedBytes = Math.max(state.arena.usedBytes, state.bodyBytes);
  if (state.requests > 0 && usedBytes + bodyBytes > limits.arenaShare * state.arena.totalBytes) {
    return refuse('OVERLOADED', 'the memory for tensors is full of requests that wait; try again later', state.waitMs);
  }
  if (state.queueEmpty) return ADMITTED;
  if (state.waitMs + state.unsureMs + state.serviceMs > limits.deadlineShare * leftMs) return refuseWait(request, state.waitMs, `and its deadline is in ${whole(leftMs)} ms`);
  if (state.waitMs > limits.maxWaitMs && state.modelRequests >= limits.patientRequests) {
    return refuseWait(request, state.waitMs, `and ${whole(limits.maxWaitMs)} ms are allowed`);
  }
  return ADMITTED;
}

/**
 * At a steady overload the wait stays close above what is allowed, so "when it has shrunk to that" would be at once, and refused
 * callers would come back to the same queue.
 */
function refuseWait(request: AdmissionRequest, waitMs: number, why: string): AdmissionDecision {
  return refuse('OVERLOADED', `a request to model '${request.modelName}' would wait ${whole(waitMs)} ms, ${why}; try again later`, waitMs);
}

function refuse(code: ErrorCode, message: string, retryAfterMs: number | null): AdmissionDecision {
  return { admitted: false, code, message, retryAfterMs: retryAfterMs === null ? null : Math.max(MIN_RETRY_MS, retryAfterMs) };
}

function whole(ms: number): string {
  return String(Math.ceil(ms));
}
