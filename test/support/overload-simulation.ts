/**
 * A server in simulated time: clients send at random, one event loop reads heads and bodies in order, two slots run jobs.
 * Everything but the gate under test is a model of the rest.
 */
import type { Backlog } from '../../src/contracts/job.ts';
import type { ServingModel } from '../../src/contracts/model.ts';
import { createGate, type Gate } from '../../src/admission/gate.ts';
import type { AdmissionLimits } from '../../src/admission/policy.ts';
import { FakeClock } from './fake-clock.ts';
import { exponential, seededRandom } from './random.ts';

export interface Scenario {
  readonly limits: AdmissionLimits;
  readonly arrivalsPerSecond: number;
  readonly loadMs: number;
  /** What each client waits at most. */
  readonly clientDeadlineMs: number;
  /** Whether the server is told; if not, it assumes 30 s. */
  readonly deadlineTold: boolean;
  readonly slots: number;
  readonly jobMs: number;
  /** Event loop time of a head (a refusal costs no more), and of reading a body. */
  readonly headMs: number;
  readonly bodyMs: number;
  /** Mean time that a body takes on the network. */
  readonly networkMs: number;
  /** The pipeline's predictions are this times the truth. */
  readonly predictionBias: number;
  readonly seed: number;
}

export interface Outcome {
  /** Answers within the client's deadline, per second of the second half of the load. */
  readonly goodputPerSecond: number;
  readonly p99AcceptedMs: number;
  readonly maxAdmitted: number;
  readonly refused: number;
  readonly retryAfterMs: readonly number[];
  /** From the end of the load until nothing is in. */
  readonly drainedAfterMs: number;
}

interface Request {
  readonly sentMs: number;
  readonly deadlineMs: number;
  readonly ticket: { release(): void };
}

const MODEL = { key: 'm/1', name: 'm', version: '1' } as ServingModel;

export function simulateOverload(scenario: Scenario): Outcome {
  const clock = new FakeClock();
  const random = seededRandom(scenario.seed);
  const queue: Request[] = [];
  const latencies: number[] = [];
  const retryAfterMs: number[] = [];
  let queueHead = 0;
  let running = 0;
  let good = 0;
  let refused = 0;
  let maxAdmitted = 0;
  let emptyMs = 0;
  let loopFreeMs = 0;
  let loopWorkMs = 0;

  const queuedJobs = (): number => queue.length - queueHead;

  function backlog(): Backlog {
    const jobCostMs = (scenario.jobMs / scenario.slots) * scenario.predictionBias;
    return { queuedJobs: queuedJobs(), activeJobs: queuedJobs() + running, waitMs: (queuedJobs() + Math.max(0, running - scenario.slots + 1)) * jobCostMs, jobCostMs, serviceMs: 0 };
  }

  const gate: Gate = createGate({
    clock,
    limits: scenario.limits,
    backlog,
    arenaUsage: () => ({ totalBytes: 512 * 2 ** 20, usedBytes: 110_592 * (queuedJobs() + running), leases: 0 }),
    stopping: () => false,
    loopActiveMs: () => loopWorkMs - Math.max(0, loopFreeMs - clock.nowMs()),
    random,
  });

  /** Work of the event loop, in the order in which it comes. */
  function onLoop(costMs: number, done: () => void): void {
    loopFreeMs = Math.max(loopFreeMs, clock.nowMs()) + costMs;
    loopWorkMs += costMs;
    clock.after(loopFreeMs - clock.nowMs(), done);
  }

  function runNext(): void {
    while (running < scenario.slots && queuedJobs() > 0) {
      const request = queue[queueHead++];
      if (request === undefined) return;
      if (request.deadlineMs <= clock.nowMs()) {
        leave(request);
        continue;
      }
      running += 1;
      clock.after(scenario.jobMs, () => {
        running -= 1;
        const latencyMs = clock.nowMs() - request.sentMs;
        latencies.push(latencyMs);
        const counted = clock.nowMs() > scenario.loadMs / 2 && clock.nowMs() <= scenario.loadMs;
        if (counted && latencyMs <= scenario.clientDeadlineMs) good += 1;
        leave(request);
        runNext();
      });
    }
  }

  function leave(request: Request): void {
    request.ticket.release();
    emptyMs = clock.nowMs();
  }

  function headRead(sentMs: number): void {
    const deadlineMs = sentMs + (scenario.deadlineTold ? scenario.clientDeadlineMs : 30_000);
    try {
      const ticket = gate.admit({ model: MODEL, contentLength: 110_592, caller: 'c', deadlineMs });
      maxAdmitted = Math.max(maxAdmitted, gate.admittedRequests());
      clock.after(exponential(random, scenario.networkMs), () => {
        onLoop(scenario.bodyMs, () => {
          queue.push({ sentMs, deadlineMs, ticket });
          runNext();
        });
      });
    } catch (error) {
      refused += 1;
      retryAfterMs.push((error as { retryAfterMs: number | null }).retryAfterMs ?? Number.NaN);
    }
  }

  function send(): void {
    const sentMs = clock.nowMs();
    if (sentMs > scenario.loadMs) return;
    onLoop(scenario.headMs, () => {
      headRead(sentMs);
    });
    clock.after(exponential(random, 1_000 / scenario.arrivalsPerSecond), send);
  }

  send();
  clock.advance(scenario.loadMs + 60_000);
  latencies.sort((left, right) => left - right);
  return {
    goodputPerSecond: good / (scenario.loadMs / 2 / 1_000),
    p99AcceptedMs: latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN,
    maxAdmitted,
    refused,
    retryAfterMs,
    drainedAfterMs: Math.max(0, emptyMs - scenario.loadMs),
  };
}
