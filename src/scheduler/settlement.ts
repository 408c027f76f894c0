/** A job's end: exactly one answer, and its memory given back once no host reads it any more. */
import type { Clock } from '../contracts/clock.ts';
import type { Batcher } from '../contracts/batching.ts';
import type { BatchTimings } from '../contracts/device.ts';
import type { Job, JobId, OutputTensor } from '../contracts/job.ts';
import type { Observer } from '../contracts/stages.ts';
import { SluiceError } from '../errors.ts';
import type { Batch, JobRecord, Part, SchedulerState } from './state.ts';
import { forget, withdraw } from './transitions.ts';

/** Holds a batch's output space for those who still read it. */
export interface OutputHold {
  readonly lease: { release(): void };
  readers: number;
}

interface FinishedPart {
  readonly rowStart: number;
  readonly rows: number;
  readonly outputs: readonly OutputTensor[];
  readonly hold: OutputHold;
}

/** What came back of a job that runs in several parts. */
interface Progress {
  readonly finished: FinishedPart[];
  rows: number;
  inputMs: number;
  inferMs: number;
  outputMs: number;
}

export function dropHold(hold: OutputHold): void {
  hold.readers--;
  if (hold.readers === 0) hold.lease.release();
}

/** Codes of a job that was never taken: the server's state, not the job, is the reason. */
const REFUSALS: ReadonlySet<string> = new Set(['OVERLOADED', 'NOT_READY', 'STOPPING']);

export class Settlement {
  readonly #state: SchedulerState;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #batcher: Batcher;
  readonly #records = new Map<JobId, JobRecord>();
  /** Only of jobs that were split. */
  readonly #progress = new Map<JobRecord, Progress>();
  readonly #onIdle: (record: JobRecord) => void;

  /** `onIdle`: nothing of the job waits or runs any more. */
  constructor(state: SchedulerState, clock: Clock, observer: Observer, batcher: Batcher, onIdle: (record: JobRecord) => void) {
    this.#state = state;
    this.#clock = clock;
    this.#observer = observer;
    this.#batcher = batcher;
    this.#onIdle = onIdle;
  }

  /** Jobs that are not settled. */
  get size(): number {
    return this.#records.size;
  }

  get(id: JobId): JobRecord | undefined {
    return this.#records.get(id);
  }

  add(record: JobRecord): void {
    this.#records.set(record.job.id, record);
  }

  /** Answers a job that was never taken. */
  refuse(job: Job, error: SluiceError): void {
    for (const lease of job.leases) lease.release();
    if (REFUSALS.has(error.code)) this.#observer.refused({ model: job.model.key, error });
    else this.#observer.jobFailed({ model: job.model.key, id: job.id, error, totalMs: this.#clock.nowMs() - job.enqueuedMs });
    job.reply.failed(error);
  }

  /** Answers with an error. What waits of the job leaves the queue; what runs is dropped when it comes back. */
  fail(record: JobRecord, error: SluiceError): void {
    if (record.settled) return;
    const nowMs = this.#clock.nowMs();
    while (record.waiting.length > 0) withdraw(this.#state, record.waiting[0]!, nowMs);
    this.#settle(record);
    this.#dropProgress(record);
    this.releaseIfIdle(record);
    const { job } = record;
    this.#observer.jobFailed({ model: job.model.key, id: job.id, error, totalMs: nowMs - job.enqueuedMs });
    job.reply.failed(error);
  }

  failAll(error: SluiceError): void {
    for (const record of [...this.#records.values()]) this.fail(record, error);
  }

  /** A batch with rows of the job began: told once. */
  started(record: JobRecord, batch: Batch, startedMs: number): void {
    if (record.settled || !Number.isNaN(record.startedMs)) return;
    record.startedMs = startedMs;
    record.job.reply.started({ device: batch.device.id, batchRows: batch.rows, queueMs: queueMs(record) });
  }

  /** A part's outputs are there. Answers when it was the last one; until then `hold` keeps them readable. */
  partSucceeded(part: Part, batch: Batch, timings: BatchTimings, outputs: readonly OutputTensor[], hold: OutputHold): void {
    const { record } = part;
    if (record.settled) return;
    if (part.rows === record.rows) {
      this.#succeed(record, batch, outputs, timings.inputMs, timings.inferMs, timings.outputMs);
      return;
    }
    const progress = this.#progress.get(record) ?? { finished: [], rows: 0, inputMs: 0, inferMs: 0, outputMs: 0 };
    this.#progress.set(record, progress);
    hold.readers++;
    progress.finished.push({ rowStart: part.rowStart, rows: part.rows, outputs, hold });
    progress.rows += part.rows;
    progress.inputMs += timings.inputMs;
    progress.inferMs += timings.inferMs;
    progress.outputMs += timings.outputMs;
    if (progress.rows < record.rows) return;
    progress.finished.sort((a, b) => a.rowStart - b.rowStart);
    const joined = this.#batcher.join(record.job.model, progress.finished.map((finished) => finished.outputs));
    if (joined === null) this.fail(record, new SluiceError('MODEL_FAILED', `${record.job.model.name} gave outputs of different shapes for the parts of this request; send fewer rows`));
    else this.#succeed(record, batch, joined, progress.inputMs, progress.inferMs, progress.outputMs);
  }

  /** Gives the job's inputs back once it is settled and no batch reads them. May be called again. */
  releaseIfIdle(record: JobRecord): void {
    if (!record.settled || record.running > 0 || record.released) return;
    record.released = true;
    for (const lease of record.job.leases) lease.release();
    forget(record);
    this.#onIdle(record);
  }

  #succeed(record: JobRecord, batch: Batch, outputs: readonly OutputTensor[], computeInputMs: number, computeInferMs: number, computeOutputMs: number): void {
    const { job, rows } = record;
    const timings = { queueMs: queueMs(record), computeInputMs, computeInferMs, computeOutputMs, totalMs: this.#clock.nowMs() - job.enqueuedMs };
    const device = batch.device.id;
    // Settled first: what the reply does may come back here, e.g. to cancel.
    this.#settle(record);
    job.reply.succeeded({ outputs, device, batchRows: batch.rows, timings });
    this.#dropProgress(record);
    this.#observer.jobSucceeded({ model: job.model.key, id: job.id, rows, device, batchRows: batch.rows, timings, predictedQueueMs: record.predictedQueueMs });
  }

  #settle(record: JobRecord): void {
    record.settled = true;
    this.#records.delete(record.job.id);
  }

  #dropProgress(record: JobRecord): void {
    const progress = this.#progress.get(record);
    if (progress === undefined) return;
    this.#progress.delete(record);
    for (const { hold } of progress.finished) dropHold(hold);
  }
}

function queueMs(record: JobRecord): number {
  return Math.max(0, record.startedMs - record.job.enqueuedMs);
}
