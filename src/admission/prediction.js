/**
 * Admitted requests that are not in the pipeline yet, as work that comes soon: no more than were admitted of late. Those whose
 * bodies take long come one by one; 500 uploads over slow lines are not a queue.
 */
export function arrivingRequests(backlog, admittedRequests, admittedOfLate) {
    return Math.max(0, Math.min(admittedOfLate, admittedRequests - backlog.activeJobs));
}
const RECENT_MS = 500;
/** Counts events of the last 0.5 to 1 s, in two numbers. */
export class RecentCount {
    #current = 0;
    #previous = 0;
    #startMs = -Infinity;
    add(nowMs) {
        this.#turn(nowMs);
        this.#current += 1;
    }
    read(nowMs) {
        this.#turn(nowMs);
        return this.#current + this.#previous;
    }
    #turn(nowMs) {
        const passedMs = nowMs - this.#startMs;
        if (passedMs < RECENT_MS)
            return;
        this.#previous = passedMs < 2 * RECENT_MS ? this.#current : 0;
        this.#current = 0;
        this.#startMs = nowMs;
    }
}
/** Of two stages in a row the slower decides. Devices: the queue, then what arrives of this model. Front: what arrives of all models. */
export function predictWaitMs({ waitMs, jobCostMs }, arriving, arrivingInAll, frontMs) {
    return Math.max(waitMs + arriving * jobCostMs, arrivingInAll * frontMs);
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
    #loopActiveMs;
    /** @param loopActiveMs busy time of the event loop so far. */
    constructor(loopActiveMs) {
        this.#loopActiveMs = loopActiveMs;
    }
    /** 0 until it is known. */
    get costMs() {
        return this.#costMs;
    }
    requestDone(nowMs) {
        this.#requests += 1;
        if (this.#requests < SAMPLE_REQUESTS)
            return;
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
