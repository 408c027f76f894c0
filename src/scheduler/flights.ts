/** Batches in flight: from a decision to an order on a device, and from what the device answers to the jobs. */
import type { TensorArena } from '../contracts/arena.ts';
import type { AssembledBatch, Batcher, SuccessfulResult } from '../contracts/batching.ts';
import type { BatchResult, Device, DeviceId } from '../contracts/device.ts';
import type { Observer } from '../contracts/stages.ts';
import type { Clock } from '../contracts/clock.ts';
import type { Lease } from '../contracts/tensor.ts';
import type { SluiceError } from '../errors.ts';
import { observe } from './costs.ts';
import { afterLoss, afterModelError, afterOutOfMemory, type Fate } from './outcome.ts';
import { learnNeeded, learnOutput, outputBytes } from './output-space.ts';
import { dropHold, type OutputHold, type Settlement } from './settlement.ts';
import { began } from './slots.ts';
import type { Batch, Part, SchedulerState } from './state.ts';
import { land, launch, partDone, requeue, uncharge } from './transitions.ts';

interface Flight {
  readonly batch: Batch;
  readonly assembled: AssembledBatch<Part>;
  readonly lease: Lease;
  /** How often it was run again with more space for its outputs. */
  readonly reruns: number;
}

/** Outputs whose size depends on the data can need more space than the last time; a model that never stops asking is wrong. */
const MAX_RERUNS = 3;
/** Share of the newest batch in a model's smoothed batch time. */
const SERVICE_WEIGHT = 0.1;

export interface FlightPorts {
  readonly state: SchedulerState;
  readonly clock: Clock;
  readonly arena: TensorArena;
  readonly devices: ReadonlyMap<DeviceId, Device>;
  readonly batcher: Batcher;
  readonly observer: Observer;
  readonly settlement: Settlement;
}

export class Flights {
  readonly #ports: FlightPorts;
  readonly #flights = new Map<number, Flight>();

  constructor(ports: FlightPorts) {
    this.#ports = ports;
  }

  get size(): number {
    return this.#flights.size;
  }

  /**
   * Sends a batch that was decided. no-space: the arena has no room for its outputs. refused: the device would not take it.
   * In both cases its rows wait again (or, the second time that a device refuses them, their jobs fail).
   */
  send(batch: Batch): 'sent' | 'no-space' | 'refused' {
    const { state, arena } = this.#ports;
    const lease = arena.reserve(outputBytes(batch, state.tuning));
    if (lease !== null) return this.#run(batch, lease, 0) ? 'sent' : 'refused';
    uncharge(batch);
    this.#ended(batch, sameAgain)();
    return 'no-space';
  }

  /** The host began a batch. */
  started(batchId: number, startedMs: number): void {
    const flight = this.#flights.get(batchId);
    if (flight === undefined) return;
    began(flight.batch, startedMs);
    for (const { record } of flight.batch.parts) this.#ports.settlement.started(record, flight.batch, startedMs);
  }

  /**
   * The batch is over. Its slot is free when this returns; the function that it returns gives the jobs their answers, so that
   * the slot can be filled first. Null for a batch that is not in flight.
   */
  done(result: BatchResult): (() => void) | null {
    const flight = this.#take(result.batchId);
    if (flight === null) return null;
    const { batch, lease } = flight;
    if (!result.ok) {
      lease.release();
      if (result.code === 'OUTPUT_SPACE') return this.#outputSpace(flight, result.neededBytes, result.message);
      if (result.code === 'BAD_ORDER') return this.#lost(batch, `the host refused the order: ${result.message}`);
      if (result.code === 'OUT_OF_MEMORY') this.#capMemory(batch);
      const fateOf = result.code === 'OUT_OF_MEMORY' ? (part: Part) => afterOutOfMemory(batch, part) : (part: Part) => afterModelError(batch, part, result.message);
      return this.#ended(batch, fateOf);
    }
    const { model } = batch.bucket.model;
    const fault = this.#ports.batcher.checkResult(model, flight.assembled.order, result, this.#ports.arena.memory);
    if (fault !== null) {
      lease.release();
      return this.#lost(batch, `the host lied: ${fault}`);
    }
    this.#land(batch);
    this.#learn(flight, result);
    return () => {
      this.#deliver(flight, result);
    };
  }

  /** The device failed with the batch. See done. */
  lost(batchId: number, reason: string): (() => void) | null {
    const flight = this.#take(batchId);
    if (flight === null) return null;
    flight.lease.release();
    return this.#lost(flight.batch, reason);
  }

  #run(batch: Batch, lease: Lease, reruns: number): boolean {
    const { arena, batcher, devices, state } = this.#ports;
    const { model } = batch.bucket.model;
    const placement = { batchId: batch.id, modelKey: model.key, paddedRows: batch.paddedRows, output: lease.region };
    const assembled = batcher.assemble(model, batch.parts, placement, arena);
    this.#flights.set(batch.id, { batch, assembled, lease, reruns });
    const { budgetFactor, minBudgetMs, maxBudgetMs } = state.tuning;
    try {
      devices.get(batch.device.id)!.run(assembled.order, Math.min(Math.max(budgetFactor * batch.predictedMs, minBudgetMs), maxBudgetMs));
      return true;
    } catch (thrown) {
      this.lost(batch.id, `the device took no batch: ${thrown instanceof Error ? thrown.message : String(thrown)}`)?.();
      return false;
    }
  }

  #take(batchId: number): Flight | null {
    const flight = this.#flights.get(batchId) ?? null;
    this.#flights.delete(batchId);
    return flight;
  }

  #land(batch: Batch): void {
    land(this.#ports.state, batch, this.#ports.clock.nowMs());
  }

  #learn({ batch, assembled }: Flight, result: SuccessfulResult): void {
    const { inputMs, inferMs, outputMs } = result.timings;
    const tookMs = inputMs + inferMs + outputMs;
    observe(batch.curve, batch.paddedRows, tookMs);
    const { model } = batch.bucket;
    model.serviceMs += (tookMs - model.serviceMs) * (model.serviceMs === 0 ? 1 : SERVICE_WEIGHT);
    batch.bucket.ratesVersion = -1;
    learnOutput(batch.bucket, batch.paddedRows, assembled.order.output, result);
  }

  #deliver({ batch, assembled, lease }: Flight, result: SuccessfulResult): void {
    const { arena, batcher, observer, settlement } = this.#ports;
    const { parts, order } = assembled;
    const { model } = batch.bucket.model;
    const { startedMs, inputMs, inferMs, outputMs } = result.timings;
    observer.batchDone({
      model: model.key, device: batch.device.id, rows: batch.rows, paddedRows: batch.paddedRows, reason: batch.reason,
      predictedMs: batch.predictedMs, inputMs, inferMs, outputMs, copiedBytes: result.copiedBytes,
    });
    const outputs = batcher.scatter(model, order, parts, result, arena.memory);
    const hold: OutputHold = { lease, readers: 1 };
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i]!;
      settlement.started(part.record, batch, startedMs);
      settlement.partSucceeded(part, batch, result.timings, outputs[i]!, hold);
      partDone(part);
      settlement.releaseIfIdle(part.record);
    }
    dropHold(hold);
  }

  #lost(batch: Batch, reason: string): () => void {
    this.#ports.observer.batchLost({ model: batch.bucket.model.model.key, device: batch.device.id, reason });
    return this.#ended(batch, (part) => afterLoss(part, batch.device.id));
  }

  /** Runs the batch again with the space that it asked for, where it was. */
  #outputSpace(flight: Flight, neededBytes: number, message: string): () => void {
    const { arena, state, clock } = this.#ports;
    const { batch, assembled, reruns } = flight;
    if (!(neededBytes > assembled.order.output.byteLength) || !Number.isSafeInteger(neededBytes) || reruns === MAX_RERUNS) {
      return this.#lost(batch, `the host asks for ${neededBytes} bytes of output space, has ${assembled.order.output.byteLength}: ${message}`);
    }
    learnNeeded(batch.bucket, batch.paddedRows, neededBytes);
    this.#land(batch);
    const wanted = batch.device.ready && batch.parts.some(({ record }) => !record.settled);
    const lease = wanted ? arena.reserve(neededBytes) : null;
    if (lease === null) return this.#giveBack(batch, sameAgain);
    const again: Batch = { ...batch, id: state.nextBatchId++, slot: -1 };
    launch(state, again, clock.nowMs());
    this.#run(again, lease, reruns + 1);
    return nothing;
  }

  #capMemory({ placement, paddedRows }: Batch): void {
    const { state, clock } = this.#ports;
    placement.memoryCapRows = Math.max(1, paddedRows >> 1);
    placement.memoryCapUntilMs = clock.nowMs() + state.tuning.outOfMemoryHoldMs;
  }

  /** Rows that get another try wait again at once; the others' answers follow. */
  #ended(batch: Batch, fateOf: (part: Part) => Fate): () => void {
    this.#land(batch);
    return this.#giveBack(batch, fateOf);
  }

  #giveBack(batch: Batch, fateOf: (part: Part) => Fate): () => void {
    const { state, clock, settlement } = this.#ports;
    const failures: { readonly part: Part; readonly error: SluiceError }[] = [];
    for (const part of batch.parts) {
      const { record } = part;
      const fate = fateOf(part);
      partDone(part);
      if (!record.settled && 'retry' in fate) requeue(state, part, fate.retry, clock.nowMs());
      else if ('fail' in fate) failures.push({ part, error: fate.fail });
    }
    return () => {
      for (const { part, error } of failures) settlement.fail(part.record, error);
      for (const { record } of batch.parts) settlement.releaseIfIdle(record);
    };
  }
}

function sameAgain(part: Part): Fate {
  return { retry: part.history };
}

function nothing(): void {
  // Everything that had to be done was done at once.
}
