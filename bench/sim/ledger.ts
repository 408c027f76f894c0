/** What became of every arrival, and what that makes of the policy. */
import { percentile } from '../stats.ts';
import type { Cell } from './cell.ts';

export interface Score {
  /** Answers within their deadline, a second. */
  readonly goodput: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Share of the arrivals that were not answered in time. */
  readonly missed: number;
  /** Device time for each answer in time. */
  readonly busyMsPerAnswer: number;
  /** Error of the predicted wait over the wait itself, or 25 ms where that is longer; NaN for who predicts nothing. */
  readonly predictionError: { readonly median: number; readonly p90: number };
}

export class Ledger {
  readonly #cell: Cell;
  readonly #doneMs: Float64Array;
  readonly #errors: number[] = [];
  #busyMs = 0;

  constructor(cell: Cell) {
    this.#cell = cell;
    this.#doneMs = new Float64Array(cell.arrivals.length).fill(NaN);
  }

  answered(arrival: number, atMs: number): void {
    if (!Number.isNaN(this.#doneMs[arrival]!)) throw new Error(`arrival ${arrival} was answered twice`);
    this.#doneMs[arrival] = atMs;
  }

  predicted(queueMs: number, actualMs: number): void {
    this.#errors.push(Math.abs(queueMs - actualMs) / Math.max(actualMs, 25));
  }

  ran(startedMs: number, tookMs: number): void {
    if (startedMs >= this.#cell.countFromMs && startedMs < this.#cell.endMs) this.#busyMs += tookMs;
  }

  /** Of what was answered while arrivals were counted: whatever a policy leaves for later, or has left from before, is in neither. */
  score(): Score {
    const { arrivals, countFromMs, endMs } = this.#cell;
    const latencies: number[] = [];
    let counted = 0;
    let good = 0;
    let inTime = 0;
    arrivals.forEach(({ atMs, deadlineMs }, index) => {
      const doneMs = this.#doneMs[index]!;
      const answered = doneMs <= deadlineMs;
      if (atMs >= countFromMs) {
        counted += 1;
        if (answered) inTime += 1;
      }
      if (!(doneMs >= countFromMs && doneMs <= endMs)) return;
      latencies.push(doneMs - atMs);
      if (answered) good += 1;
    });
    const sorted = Float64Array.from(latencies).sort();
    const errors = Float64Array.from(this.#errors).sort();
    return {
      goodput: (good * 1000) / (endMs - countFromMs),
      p50Ms: percentile(sorted, 0.5),
      p99Ms: percentile(sorted, 0.99),
      missed: counted === 0 ? 0 : 1 - inTime / counted,
      busyMsPerAnswer: good === 0 ? NaN : this.#busyMs / good,
      predictionError: { median: percentile(errors, 0.5), p90: percentile(errors, 0.9) },
    };
  }
}
