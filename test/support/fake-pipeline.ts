/** A pipeline whose models are identities: output i is input i. It runs at once, or waits until a test says so. */
import type { TensorArena } from '../../src/contracts/arena.ts';
import type { Backlog, Job, JobId, OutputTensor, Pipeline, QueuePosition } from '../../src/contracts/job.ts';
import { SluiceError } from '../../src/errors.ts';

export class FakePipeline implements Pipeline {
  readonly #arena: TensorArena;
  readonly #queue: Job[] = [];
  readonly #running: Job[] = [];
  /** Every job that ever came, in order. */
  readonly submitted: Job[] = [];
  readonly cancelled: JobId[] = [];
  /** 'now': inside submit(); 'soon': in the next turn of the event loop; 'held': when run() is called. */
  mode: 'now' | 'soon' | 'held' = 'now';
  /** Thrown at the next job, inside submit(). */
  refuseNext: SluiceError | null = null;
  etaMs: number | null = 5;
  /** Jobs that other clients have in front. */
  ahead = 0;

  constructor(arena: TensorArena) {
    this.#arena = arena;
  }

  submit(job: Job): void {
    this.submitted.push(job);
    const refusal = this.refuseNext;
    this.refuseNext = null;
    if (refusal !== null) {
      this.#release(job);
      job.reply.failed(refusal);
      return;
    }
    this.#queue.push(job);
    if (this.mode === 'now') this.run();
    if (this.mode === 'soon') setImmediate(() => this.run());
  }

  cancel(id: JobId): void {
    this.cancelled.push(id);
    const job = this.#take(this.#queue, id);
    if (job === undefined) return;
    this.#release(job);
    job.reply.failed(new SluiceError('CANCELLED', 'cancelled'));
  }

  position(id: JobId): QueuePosition | null {
    const position = this.#queue.findIndex((job) => job.id === id);
    return position === -1 ? null : { position: position + this.ahead, queueSize: this.#queue.length + this.ahead, etaMs: this.etaMs };
  }

  backlog(): Backlog {
    return { queuedJobs: this.#queue.length, activeJobs: this.#queue.length, waitMs: 1500, jobCostMs: 1, serviceMs: 0 };
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Starts the oldest waiting job. */
  start(): void {
    const job = this.#queue.shift();
    if (job === undefined) return;
    this.#running.push(job);
    job.reply.started({ device: 'cpu', batchRows: 1, queueMs: 0.5 });
  }

  /** Ends the oldest running job, well or with an error. */
  finish(error: SluiceError | null = null): void {
    const job = this.#running.shift();
    if (job === undefined) return;
    if (error !== null) {
      this.#release(job);
      job.reply.failed(error);
      return;
    }
    const outputs = job.inputs.map((input, index): OutputTensor => ({
      name: job.model.outputs[index]?.name ?? '', datatype: input.datatype, shape: input.shape, data: this.#arena.memory.view(input.region),
    }));
    job.reply.succeeded({ outputs, device: 'cpu', batchRows: 1, timings: { queueMs: 0.5, computeInputMs: 0, computeInferMs: 1, computeOutputMs: 0, totalMs: 2 } });
    this.#release(job);
  }

  /** Runs everything that waits. */
  run(): void {
    while (this.#queue.length > 0) {
      this.start();
      this.finish();
    }
  }

  #release(job: Job): void {
    for (const lease of job.leases) lease.release();
  }

  #take(jobs: Job[], id: JobId): Job | undefined {
    const index = jobs.findIndex((job) => job.id === id);
    return index === -1 ? undefined : jobs.splice(index, 1)[0];
  }
}
