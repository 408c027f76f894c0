/**
 * The pipeline: takes jobs, decides (decide.ts), sends batches (flights.ts), answers (settlement.ts). It owns the state and
 * one timer, and has no rule of its own but when to decide: at once when a slot is idle, else once per turn of the event loop.
 */
import type { TensorArena } from '../contracts/arena.ts';
import type { Batcher } from '../contracts/batching.ts';
import type { Clock } from '../contracts/clock.ts';
import type { BatchResult, Device, DeviceId, BatchListener, DeviceLoss, DeviceState } from '../contracts/device.ts';
import type { Backlog, Job, JobId, Pipeline, QueuePosition } from '../contracts/job.ts';
import type { LoadReport, ModelKey, ServingModel } from '../contracts/model.ts';
import type { BatchCosts, Observer } from '../contracts/stages.ts';
import { SluiceError, toSluiceError } from '../errors.ts';
import { canStart, decide } from './decide.ts';
import { nextDueMs } from './deadlines.ts';
import { deferred, type Deferred } from './deferred.ts';
import { describeCosts } from './describe.ts';
import { Flights } from './flights.ts';
import { hasNoDevice, modelFor, recordFor, type QueueLimits } from './intake.ts';
import { backlogOf, positionOf } from './predict.ts';
import { entriesOf } from './queue.ts';
import { addModel, createState, removeModel, setDeviceState } from './registry.ts';
import { Settlement } from './settlement.ts';
import { hasIdleSlot } from './slots.ts';
import type { Batch, JobRecord, ModelState, SchedulerState } from './state.ts';
import { enqueue } from './transitions.ts';
import { DEFAULT_TUNING, type Tuning } from './tuning.ts';

export interface DispatcherOptions {
  readonly clock: Clock;
  readonly arena: TensorArena;
  readonly devices: readonly Device[];
  readonly observer: Observer;
  readonly batcher: Batcher;
  readonly limits: QueueLimits;
  readonly tuning?: Partial<Tuning>;
  /** Runs a function once, after what is being read now. By default setImmediate. */
  readonly defer?: (run: () => void) => void;
}

/** A minute is soon enough to look again, and far from setTimeout's limit of 24 days. */
const LONGEST_TIMER_MS = 60_000;

export class Dispatcher implements Pipeline, BatchListener {
  readonly #clock: Clock;
  readonly #arena: TensorArena;
  readonly #batcher: Batcher;
  readonly #limits: QueueLimits;
  readonly #state: SchedulerState;
  readonly #settlement: Settlement;
  readonly #flights: Flights;
  readonly #defer: (run: () => void) => void;
  readonly #removals = new Map<ModelState, Deferred>();
  #closing: Deferred | null = null;
  #armedForMs = Infinity;
  #disarm: () => void = () => undefined;
  #deciding = false;
  #decideAgain = false;
  #deferred = false;

  constructor(options: DispatcherOptions) {
    const { clock, arena, devices, observer, batcher, limits } = options;
    this.#clock = clock;
    this.#arena = arena;
    this.#batcher = batcher;
    this.#limits = limits;
    this.#defer = options.defer ?? ((run) => void setImmediate(run));
    this.#state = createState(devices, { ...DEFAULT_TUNING, ...options.tuning }, (query) => batcher.chooseRows(query), clock.nowMs());
    for (const device of devices) setDeviceState(this.#state, device.id, device.status().state);
    this.#settlement = new Settlement(this.#state, clock, observer, batcher, (record) => {
      this.#jobGone(record);
    });
    this.#flights = new Flights({ state: this.#state, clock, arena, batcher, observer, settlement: this.#settlement, devices: new Map(devices.map((device) => [device.id, device])) });
  }

  /**
   * Serves a model on the devices that have a report, or changes where a model is served. Throws CONFIG_INVALID when its
   * concurrency id contradicts another model's, NOT_READY while the same key is being removed.
   */
  addModel(model: ServingModel, reports: ReadonlyMap<DeviceId, LoadReport>): void {
    addModel(this.#state, model, reports, this.#clock.nowMs());
    this.#decide();
  }

  /** Takes no more jobs of the model; resolves when the last accepted one is over. Unknown keys resolve at once. */
  removeModel(key: ModelKey): Promise<void> {
    const model = this.#state.models.get(key);
    if (model === undefined) return Promise.resolve();
    model.draining = true;
    const removal = this.#removals.get(model) ?? deferred();
    this.#removals.set(model, removal);
    this.#endRemoval(model);
    return removal.done;
  }

  /** The cost table; empty for a model that has had no jobs. */
  describeCosts(key: ModelKey): readonly BatchCosts[] {
    const model = this.#state.models.get(key);
    return model === undefined ? [] : describeCosts(model);
  }

  submit(job: Job): void {
    const nowMs = this.#clock.nowMs();
    let record: JobRecord;
    try {
      if (this.#closing !== null) throw new SluiceError('STOPPING', 'the server is stopping');
      if (this.#settlement.get(job.id) !== undefined) throw new SluiceError('DUPLICATE_ID', `a request with the id "${job.id}" is still running`);
      record = recordFor(this.#state, modelFor(this.#state, job, this.#limits, nowMs), job, this.#batcher, this.#arena.memory, nowMs);
    } catch (thrown) {
      this.#settlement.refuse(job, toSluiceError(thrown));
      return;
    }
    this.#settlement.add(record);
    enqueue(this.#state, record, nowMs);
    const { group } = record.bucket.model;
    if (!canStart(group)) this.#arm(nextDueMs(this.#state.deadlines));
    else if (group.devices.some(hasIdleSlot)) this.#decide();
    else this.#decideSoon();
  }

  cancel(id: JobId): void {
    const record = this.#settlement.get(id);
    if (record === undefined) return;
    this.#settlement.fail(record, new SluiceError('CANCELLED', 'the request was cancelled'));
    this.#memoryMayBeFree();
  }

  position(id: JobId): QueuePosition | null {
    const record = this.#settlement.get(id);
    return record === undefined ? null : positionOf(this.#state, record, this.#clock.nowMs());
  }

  backlog(key: ModelKey, caller: string): Backlog {
    const model = this.#state.models.get(key);
    return model === undefined ? { queuedJobs: 0, activeJobs: 0, waitMs: 0, jobCostMs: 0, serviceMs: 0 } : backlogOf(model, caller, this.#clock.nowMs());
  }

  /** Jobs that wait for the model. */
  queuedJobs(key: ModelKey): number {
    return this.#state.models.get(key)?.queuedJobs ?? 0;
  }

  batchStarted(batchId: number, startedMs: number): void {
    this.#flights.started(batchId, startedMs);
  }

  batchDone(result: BatchResult): void {
    this.#over(this.#flights.done(result));
  }

  batchLost(loss: DeviceLoss): void {
    this.#over(this.#flights.lost(loss.batchId, loss.reason));
  }

  stateChanged(device: DeviceId, state: DeviceState): void {
    if (!setDeviceState(this.#state, device, state)) return;
    for (const model of this.#state.models.values()) {
      if (model.queuedJobs > 0 && hasNoDevice(model)) this.#failWaiting(model, new SluiceError('NOT_READY', `no device that serves ${model.model.name} is running any more`));
    }
    this.#decide();
  }

  /** Takes no more jobs; resolves when the last accepted one is over. */
  close(): Promise<void> {
    this.#closing ??= deferred();
    this.#endClosing();
    return this.#closing.done;
  }

  /** Answers every job with the error, now. Their inputs stay until no host reads them. */
  destroy(error: SluiceError): void {
    const closing = (this.#closing ??= deferred());
    this.#disarm();
    this.#settlement.failAll(error);
    closing.resolve();
  }

  /** A batch is over: its slot is filled first and the answers follow, unless its memory is what the next batch waits for. */
  #over(answer: (() => void) | null): void {
    if (answer === null) return;
    this.#state.rowLimit = Infinity;
    if (this.#state.blocked) {
      answer();
      this.#memoryMayBeFree();
    } else {
      this.#decide();
      answer();
    }
    this.#endClosing();
  }

  #memoryMayBeFree(): void {
    if (!this.#state.blocked) return;
    this.#state.blocked = false;
    this.#decide();
  }

  #decideSoon(): void {
    if (this.#deferred) return;
    this.#deferred = true;
    this.#defer(() => {
      this.#deferred = false;
      this.#decide();
    });
  }

  /** What it starts may answer at once and so lead back here: then it decides once more, afterwards. */
  #decide(): void {
    this.#decideAgain = true;
    if (this.#deciding) return;
    this.#deciding = true;
    try {
      while (this.#decideAgain) {
        this.#decideAgain = false;
        this.#decideOnce();
      }
    } finally {
      this.#deciding = false;
    }
  }

  #decideOnce(): void {
    const { starts, expired, wakeAtMs } = decide(this.#state, this.#clock.nowMs());
    for (const record of expired) {
      this.#settlement.fail(record, new SluiceError('DEADLINE_PASSED', lateness(record.job, this.#clock.nowMs())));
    }
    let unsent: Batch | null = null;
    for (const batch of starts) {
      const sent = this.#flights.send(batch);
      if (sent === 'no-space') unsent ??= batch;
      else if (sent === 'refused') this.#decideAgain = true;
    }
    if (unsent !== null) this.#outOfSpace(unsent);
    // Rows that could not be sent wait again, with their deadlines.
    this.#arm(Math.min(wakeAtMs, nextDueMs(this.#state.deadlines)));
  }

  /**
   * The arena has no room for a batch's outputs. Batches in flight will give some back. With none, waiting would be forever:
   * single rows are tried, and at last the first job is refused, whose inputs make room for the others.
   */
  #outOfSpace(batch: Batch): void {
    if (this.#flights.size > 0) {
      this.#state.blocked = true;
      return;
    }
    this.#decideAgain = true;
    if (batch.rows > 1) {
      this.#state.rowLimit = 1;
      return;
    }
    this.#settlement.fail(batch.parts[0]!.record, new SluiceError('OVERLOADED', 'no memory is left for the outputs', { retryAfterMs: 1_000 }));
  }

  #arm(wakeAtMs: number): void {
    if (wakeAtMs >= this.#armedForMs) return;
    this.#disarm();
    this.#armedForMs = wakeAtMs;
    const delayMs = Math.min(Math.max(0, wakeAtMs - this.#clock.nowMs()), LONGEST_TIMER_MS);
    this.#disarm = this.#clock.after(delayMs, () => {
      this.#armedForMs = Infinity;
      this.#decide();
    });
  }

  #failWaiting(model: ModelState, error: SluiceError): void {
    const records = new Set<JobRecord>();
    for (const { queue, retries } of model.buckets.values()) {
      for (const waiting of [queue, retries]) for (const { record } of entriesOf(waiting)) records.add(record);
    }
    for (const record of records) this.#settlement.fail(record, error);
  }

  #jobGone(record: JobRecord): void {
    this.#endRemoval(record.bucket.model);
    this.#endClosing();
  }

  #endRemoval(model: ModelState): void {
    if (!model.draining || model.liveJobs > 0) return;
    removeModel(this.#state, model.model.key);
    this.#removals.get(model)?.resolve();
    this.#removals.delete(model);
  }

  #endClosing(): void {
    if (this.#closing === null || this.#settlement.size > 0 || this.#flights.size > 0) return;
    this.#disarm();
    this.#closing.resolve();
  }
}

function lateness({ enqueuedMs, deadlineMs }: Job, nowMs: number): string {
  const waited = `${Math.round(nowMs - enqueuedMs)} ms in the queue`;
  return deadlineMs <= nowMs ? `the deadline passed after ${waited}` : `after ${waited}, the ${Math.ceil(deadlineMs - nowMs)} ms that are left are too few to answer in`;
}

/** The scheduling stage: `Pipeline` for the adapters, `BatchListener` for the devices. */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  return new Dispatcher(options);
}
