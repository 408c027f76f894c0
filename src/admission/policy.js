export const DEFAULT_LIMITS = {
    maxBodyBytes: 64 * 1024 * 1024,
    maxRequestsPerModel: 4096,
    maxRequests: 16_384,
    maxRequestsPerCaller: null,
    arenaShare: 0.9,
    deadlineShare: 0.5,
    maxWaitMs: 250,
    patientRequests: 256,
};
const ADMITTED = { admitted: true };
/** Long enough for another replica to be found, or for a restart. */
const STOPPING_RETRY_MS = 1_000;
/** Below this a retry would meet the same queue. */
const MIN_RETRY_MS = 50;
/** Decides by, in this order: stopping, size, deadline, the caller's share, counts, memory, predicted wait. */
export function decideAdmission(limits, state, request, nowMs) {
    if (state.stopping)
        return refuse('STOPPING', 'the server is stopping; send the request to another one', STOPPING_RETRY_MS);
    const bodyBytes = request.contentLength ?? 0;
    if (bodyBytes > limits.maxBodyBytes) {
        return refuse('TOO_LARGE', `the body has ${String(bodyBytes)} bytes, and ${String(limits.maxBodyBytes)} are allowed; send fewer rows at once`, null);
    }
    const leftMs = request.deadlineMs - nowMs;
    if (leftMs <= 0)
        return refuse('DEADLINE_PASSED', 'the deadline had passed when the request came; allow it more time', null);
    if (limits.maxRequestsPerCaller !== null && state.callerRequests >= limits.maxRequestsPerCaller) {
        return refuse('TOO_MANY_REQUESTS', `this caller has ${String(state.callerRequests)} requests running, and may have no more; wait for one to end`, state.waitMs);
    }
    return decideByLoad(limits, state, request, bodyBytes, leftMs);
}
function decideByLoad(limits, state, request, bodyBytes, leftMs) {
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
    if (state.queueEmpty)
        return ADMITTED;
    const allowedMs = limits.deadlineShare * leftMs;
    if (state.waitMs > allowedMs)
        return refuseWait(request, state.waitMs, `and its deadline is in ${whole(leftMs)} ms`);
    if (state.waitMs > limits.maxWaitMs && state.modelRequests >= limits.patientRequests) {
        return refuseWait(request, state.waitMs, `and ${whole(limits.maxWaitMs)} ms are allowed`);
    }
    return ADMITTED;
}
/**
 * At a steady overload the wait stays close above what is allowed, so "when it has shrunk to that" would be at once, and refused
 * callers would come back to the same queue.
 */
function refuseWait(request, waitMs, why) {
    return refuse('OVERLOADED', `a request to model '${request.modelName}' would wait ${whole(waitMs)} ms, ${why}; try again later`, waitMs);
}
function refuse(code, message, retryAfterMs) {
    return { admitted: false, code, message, retryAfterMs: retryAfterMs === null ? null : Math.max(MIN_RETRY_MS, retryAfterMs) };
}
function whole(ms) {
    return String(Math.ceil(ms));
}
