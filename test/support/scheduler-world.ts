/**
 * A dispatcher in a random world, and an account of its own of every row: waiting, in flight or done. It sees orders where
 * the batcher assembles them and results where devices tell them, and writes down whatever must not be.
 */
import { batcher } from '../../src/batching/index.ts';
import type { Batcher, JobPart } from '../../src/contracts/batching.ts';
import type { BatchOrder, DeviceState } from '../../src/contracts/device.ts';
import type { ServingModel } from '../../src/contracts/model.ts';
import type { Lease } from '../../src/contracts/tensor.ts';
import type { FakeDevice } from './fake-device.ts';
import { echoes, Rig, type Outcome } from './pipeline.ts';
import { answerOf, costsOf, largestBatch, loadedOn, measuredMs, modelOf, type Ending, type ModelPlan, type WorldPlan } from './scheduler-plan.ts';

type Row = 'waiting' | 'flying' | 'done';

interface Tracked {
  readonly outcome: Outcome;
  readonly model: ServingModel;
  readonly plan: ModelPlan;
  readonly bucket: string;
  readonly enqueuedMs: number;
  readonly deadlineMs: number;
  readonly rows: Row[];
  /** Codes that it may fail with, after what happened to it. */
  readonly reasons: Set<string>;
  losses: number;
  retried: boolean;
  /** When rows of it began to wait. */
  waitingMs: number;
  seenEnd: boolean;
}

interface Flying {
  readonly model: ServingModel;
  readonly parts: readonly JobPart[];
}

/** Deadlines are told up to one tick (Tuning.deadlineTickMs) late; in the next tick where a row comes back after its deadline. */
const DEADLINE_TICK_MS = 5;
/** Whose jobs come in turn. */
const CALLERS = 3;
const ARENA_BYTES = 1 << 22;

export class World {
  readonly rig: Rig;
  readonly jobs: Tracked[] = [];
  readonly faults: string[] = [];
  readonly #plan: WorldPlan;
  readonly #models: readonly ServingModel[];
  /** Devices that serve a model now. */
  readonly #places = new Map<string, readonly FakeDevice[]>();
  readonly #byId = new Map<string, Tracked>();
  readonly #flying = new Map<number, Flying>();
  readonly #assembled = new WeakSet();
  #ballast: Lease[] = [];
  /** No batch has ended since memory was short: nobody has looked at it again. */
  #memoryUnsure = false;
  #ending: Ending = 'ok';

  constructor(plan: WorldPlan) {
    this.#plan = plan;
    const spy: Batcher = { ...batcher, assemble: (model, parts, placement, arena) => {
      this.#starts(model, parts, placement.batchId);
      return batcher.assemble(model, parts, placement, arena);
    } };
    this.#models = plan.models.map((model, i) => modelOf(model, i, plan.limits));
    const planOf = (key: string): ModelPlan => plan.models[this.#models.findIndex((model) => model.key === key)]!;
    const devices = plan.devices.map(({ kind, slots, prefetch }, i) => ({
      id: `${kind}:${i}`, kind, slots, prefetch, ...(plan.alike && plan.devices.length > 1 ? { reportedMs: (order: BatchOrder) => measuredMs(planOf(order.modelKey), order) } : {}),
    }));
    this.rig = new Rig(devices, { batcher: spy, arenaBytes: ARENA_BYTES });
    const { dispatcher } = this.rig;
    for (const device of this.rig.devices) {
      device.listener = {
        batchStarted: (id, startedMs) => { dispatcher.batchStarted(id, startedMs); },
        stateChanged: (id, state) => { dispatcher.stateChanged(id, state); },
        batchDone: (result) => {
          this.#ends(result.batchId, result.ok ? this.#ending : result.code);
          dispatcher.batchDone(result);
        },
        batchLost: (loss) => {
          this.#ends(loss.batchId, 'lost');
          dispatcher.batchLost(loss);
        },
      };
    }
    plan.models.forEach((model, i) => { this.place(i, model.devices); });
  }

  /** Serves the model on these devices from now on. */
  place(index: number, devices: number): void {
    const at = index % this.#models.length;
    const [model, plan] = [this.#models[at]!, this.#plan.models[at]!];
    const chosen = loadedOn(devices, this.rig.devices.length);
    this.#places.set(model.key, chosen.map((i) => this.rig.devices[i]!));
    this.rig.serve(model, Object.fromEntries(chosen.map((i) => [this.rig.devices[i]!.id, costsOf(plan, this.#plan.devices[i]!.slowness)])));
  }

  submit(which: number, rows: number, priority: number, timeoutMs: number | null, width: number): void {
    // Where memory is short, admission takes nothing.
    if (this.#ballast.length > 0) return;
    const at = which % this.#models.length;
    const [model, plan] = [this.#models[at]!, this.#plan.models[at]!];
    const id = `job${this.jobs.length}`;
    const dynamic = plan.layout === 'dynamic';
    const enqueuedMs = this.rig.clock.nowMs();
    const { outcomes } = this.rig;
    const index = this.jobs.length;
    // Known before it is submitted: it may start, and end, at once.
    const tracked: Tracked = {
      get outcome() { return outcomes[index]!; },
      model, plan, bucket: dynamic ? `${model.key}:${width}` : model.key, enqueuedMs, deadlineMs: timeoutMs === null ? Infinity : enqueuedMs + timeoutMs,
      rows: new Array<Row>(plan.batchable ? rows : 1).fill('waiting'), reasons: new Set(timeoutMs === null ? [] : ['DEADLINE_PASSED']), losses: 0, retried: false, waitingMs: enqueuedMs, seenEnd: false,
    };
    this.jobs.push(tracked);
    this.#byId.set(id, tracked);
    if (this.rig.devices.some((device) => device.status().state === 'DOWN')) tracked.reasons.add('NOT_READY');
    const fill = (bytes: Uint8Array, input: number): void => {
      const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let i = 0; i < bytes.byteLength; i += 4) words.setUint32(i, (this.jobs.length << 16) + (input << 12) + i);
    };
    this.rig.submit(model, rows, { id, priority, fill, caller: `caller ${this.jobs.length % CALLERS}`, ...(timeoutMs === null ? {} : { timeoutMs }), ...(dynamic ? { shapes: [[plan.batchable ? rows : 1, width]] } : {}) });
  }

  /** Ends one of the batches that run on the device. */
  finish(deviceIndex: number, which: number, ending: Ending): void {
    const device = this.#device(deviceIndex);
    if (device.runningCount === 0) return;
    const order = device.inFlight[which % device.runningCount]!;
    // What a device can't hold, its equal may: then they are not equal any more.
    this.#ending = ending === 'OUT_OF_MEMORY' && this.#plan.alike && this.rig.devices.length > 1 ? 'MODEL_FAILED' : ending;
    device.respond = (asked) => (asked === order ? answerOf(order, this.#ending) : null);
    device.finish(order.batchId);
    device.respond = null;
    this.#ending = 'ok';
    if (this.#ballast.length === 0) this.#memoryUnsure = false;
  }

  cancel(which: number): void {
    const job = this.jobs[which % Math.max(1, this.jobs.length)];
    if (job === undefined || job.outcome.ends > 0) return;
    job.reasons.add('CANCELLED');
    this.rig.dispatcher.cancel(job.outcome.id);
  }

  /** The host dies with all that it holds, or is only said to be in another state. */
  change(deviceIndex: number, state: DeviceState, dies: boolean): void {
    const device = this.#device(deviceIndex);
    if (state === 'DOWN') for (const job of this.jobs) job.reasons.add('NOT_READY');
    if (dies) device.die(state);
    else device.setState(state);
  }

  /** Somebody else takes all memory but so many bytes. */
  squeeze(leave: number): void {
    this.#memoryUnsure = true;
    for (const job of this.jobs) job.reasons.add('OVERLOADED');
    const spared = leave === 0 ? null : this.rig.arena.reserve(leave);
    for (let bytes = ARENA_BYTES; bytes >= 64; bytes /= 2) {
      for (let lease = this.rig.arena.reserve(bytes); lease !== null; lease = this.rig.arena.reserve(bytes)) this.#ballast.push(lease);
    }
    spared?.release();
  }

  relax(): void {
    for (const lease of this.#ballast.splice(0)) lease.release();
  }

  /** Lets everything come to rest, with healthy devices and enough memory. */
  settle(): void {
    this.relax();
    for (const device of this.rig.devices) device.setState('READY');
    for (let left = 10_000; left > 0 && this.jobs.some(({ outcome }) => outcome.ends === 0); left--) {
      const busy = this.rig.devices.findIndex(({ runningCount }) => runningCount > 0);
      if (busy === -1) this.rig.clock.advance(100);
      else this.finish(busy, left, 'ok');
      this.check();
    }
    // What was cancelled while it ran is still running.
    this.rig.drain();
    this.check();
    for (const { outcome } of this.jobs) if (outcome.ends !== 1) this.faults.push(`${outcome.id} was settled ${outcome.ends} times`);
    const { leases } = this.rig.arena.usage();
    if (leases !== 0) this.faults.push(`${leases} leases are left`);
  }

  /** After the turn of the event loop: everything that holds between any two events. */
  check(): void {
    this.rig.turn();
    for (const device of this.rig.devices) {
      const { length } = device.inFlight;
      if (length > device.slots + device.prefetch) this.faults.push(`${device.id} holds ${length} batches`);
    }
    for (const { kind, event } of this.rig.events.splice(0)) {
      if (kind === 'batchLost' && String(event['reason']).startsWith('the device took no batch')) this.faults.push(String(event['reason']));
    }
    if (this.rig.clock.pendingTimers > 1) this.faults.push(`${this.rig.clock.pendingTimers} timers`);
    for (const job of this.jobs) this.#checkJob(job);
    if (!this.#memoryUnsure) this.#checkIdle();
  }

  #checkJob(job: Tracked): void {
    const { outcome, deadlineMs } = job;
    const nowMs = this.rig.clock.nowMs();
    if (outcome.ends === 0) {
      if (waitingRows(job) > 0 && nowMs > Math.max(deadlineMs, job.waitingMs + DEADLINE_TICK_MS) + DEADLINE_TICK_MS) this.faults.push(`${outcome.id} was not told that its deadline passed`);
      return;
    }
    if (job.seenEnd) return;
    job.seenEnd = true;
    if (outcome.result !== null) {
      if (!echoes(outcome)) this.faults.push(`${outcome.id} got other bytes than its own`);
      if (job.rows.some((row) => row !== 'done')) this.faults.push(`${outcome.id} was answered before its rows were done`);
      if (outcome.started.length !== 1) this.faults.push(`${outcome.id} was told ${outcome.started.length} times that it started`);
      return;
    }
    const code = outcome.error?.code ?? 'none';
    if (!job.reasons.has(code)) this.faults.push(`${outcome.id} failed with ${code} for no reason`);
    // Given up when it could not be answered in time: behind what runs, what is staged, and its own batch.
    if (code === 'DEADLINE_PASSED' && nowMs + 5 * this.#slowestMs() < deadlineMs) this.faults.push(`${outcome.id} expired early`);
    if (code === 'DEVICE_LOST' && job.losses < 2) this.faults.push(`${outcome.id} was not tried again`);
  }

  /** The longest that any batch is predicted to take. */
  #slowestMs(): number {
    const costs = [...this.rig.models.keys()].flatMap((key) => this.rig.dispatcher.describeCosts(key));
    return Math.max(0, ...costs.flatMap(({ sizes }) => sizes.map(({ ms }) => ms + 1)));
  }

  /** Work conservation: no idle slot beside rows that could run there. */
  #checkIdle(): void {
    const buckets = new Map<string, Tracked[]>();
    for (const job of this.jobs) {
      if (job.outcome.ends > 0 || job.deadlineMs <= this.rig.clock.nowMs() || waitingRows(job) === 0) continue;
      buckets.set(job.bucket, [...(buckets.get(job.bucket) ?? []), job]);
    }
    for (const [bucket, jobs] of buckets) {
      const { model, plan } = jobs[0]!;
      if (this.#inFlightUnder(model) >= (model.concurrency?.limit ?? Infinity) || this.#isHeld(plan, jobs)) continue;
      const ready = this.#places.get(model.key)!.filter((device) => device.status().state === 'READY');
      const idle = ready.filter(({ runningCount, slots }) => runningCount < slots);
      if (idle.length === 0 || (!this.#plan.alike && ready.some(({ runningCount }) => runningCount > 0))) continue;
      this.faults.push(`${idle[0]!.id} is idle beside ${jobs.length} jobs of ${bucket}`);
    }
  }

  /** Held by model.json: the oldest has not waited long enough, and there are too few rows for the largest batch. */
  #isHeld(plan: ModelPlan, jobs: readonly Tracked[]): boolean {
    const { maxQueueDelayMs: delayMs } = plan;
    if (delayMs === null || jobs.some(({ enqueuedMs }) => enqueuedMs + delayMs <= this.rig.clock.nowMs())) return false;
    const rows = jobs.reduce((sum, job) => sum + (job.retried ? 0 : waitingRows(job)), 0);
    return rows < Math.min(largestBatch(plan), ...(plan.preferredBatchSizes ?? []).slice(-1));
  }

  #starts(model: ServingModel, parts: readonly JobPart[], batchId: number): void {
    const again = this.#assembled.has(parts);
    this.#assembled.add(parts);
    const jobs = parts.map(({ job }) => this.#byId.get(job.id)!);
    const plan = jobs[0]!.plan;
    if (jobs.some(({ bucket }) => bucket !== jobs[0]!.bucket)) this.faults.push(`batch ${batchId} mixes buckets`);
    if (parts.reduce((sum, { rows }) => sum + rows, 0) > largestBatch(plan)) this.faults.push(`batch ${batchId} has more than ${largestBatch(plan)} rows`);
    parts.forEach(({ job, rowStart, rows }, i) => {
      // A batch that needs more space for its outputs goes on where it was.
      if (!again && job.deadlineMs <= this.rig.clock.nowMs()) this.faults.push(`${job.id} starts past its deadline`);
      if (jobs[i]!.outcome.ends > 0 && !again) this.faults.push(`${job.id} starts after its end`);
      for (let row = rowStart; row < rowStart + rows; row++) {
        if (jobs[i]!.rows[row] !== 'waiting') this.faults.push(`row ${row} of ${job.id} starts while it is ${String(jobs[i]!.rows[row])}`);
        jobs[i]!.rows[row] = 'flying';
      }
    });
    this.#flying.set(batchId, { model, parts });
    const { concurrency } = model;
    if (concurrency !== null && this.#inFlightUnder(model) > concurrency.limit) this.faults.push(`more than ${concurrency.limit} batches under ${concurrency.id}`);
  }

  #ends(batchId: number, ending: Ending): void {
    const { parts } = this.#flying.get(batchId)!;
    this.#flying.delete(batchId);
    for (const { job, rowStart, rows } of parts) {
      const tracked = this.#byId.get(job.id)!;
      tracked.rows.fill(ending === 'ok' ? 'done' : 'waiting', rowStart, rowStart + rows);
      if (ending !== 'ok') tracked.waitingMs = this.rig.clock.nowMs();
      if (ending === 'ok' || ending === 'OUTPUT_SPACE') continue;
      tracked.retried = true;
      if (ending === 'MODEL_FAILED') tracked.reasons.add('MODEL_FAILED');
      else tracked.losses++;
      if (ending === 'OUT_OF_MEMORY') tracked.reasons.add('OVERLOADED');
      tracked.reasons.add('DEVICE_LOST');
    }
  }

  #inFlightUnder({ concurrency }: ServingModel): number {
    let count = 0;
    for (const { model } of this.#flying.values()) if (concurrency !== null && model.concurrency?.id === concurrency.id) count++;
    return count;
  }

  #device(index: number): FakeDevice {
    return this.rig.devices[index % this.rig.devices.length]!;
  }
}

function waitingRows({ rows }: Tracked): number {
  return rows.filter((row) => row === 'waiting').length;
}
