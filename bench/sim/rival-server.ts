/** A rival in a cell: a queue per model, slots that ask its policy, and devices that only take time. */
import { createRandom } from '../inputs/random.ts';
import { bestRate, createNoise, trueMs, type Cell } from './cell.ts';
import { SimClock } from './clock.ts';
import { Ledger, type Score } from './ledger.ts';
import type { QueueView, Rival, RivalSetting } from './rivals.ts';

interface Slot {
  readonly device: number;
  /** What it runs; null when idle. */
  run: { readonly requests: readonly number[]; lost: boolean } | null;
}

export function runRival(cell: Cell, setting: RivalSetting): Score {
  return new RivalServer(cell, setting).run();
}

class RivalServer {
  readonly #cell: Cell;
  readonly #clock = new SimClock();
  readonly #ledger: Ledger;
  readonly #noise: () => number;
  readonly #queues: RequestQueue[];
  readonly #slots: Slot[];
  readonly #away = new Set<number>();
  /** By model. */
  readonly #maxQueue: readonly number[];
  #againAtMs = Infinity;

  constructor(cell: Cell, setting: RivalSetting) {
    this.#cell = cell;
    this.#ledger = new Ledger(cell);
    this.#noise = createNoise(createRandom(cell.seed));
    this.#queues = cell.models.map(({ curve }) => new RequestQueue(cell, setting.create(curve.deadlineMs)));
    const slots = cell.devices.reduce((sum, device) => sum + device.slots, 0);
    this.#maxQueue = cell.models.map(({ curve }) => (setting.bounded === true ? Math.max(1, Math.floor((0.5 * curve.deadlineMs * slots * bestRate(curve)) / cell.models.length)) : Infinity));
    // Slot by slot over the devices, so that work spreads before it doubles up.
    const most = Math.max(...cell.devices.map(({ slots }) => slots));
    this.#slots = Array.from({ length: most }, (_, slot) => cell.devices.flatMap(({ slots }, device) => (slot < slots ? [{ device, run: null }] : []))).flat();
  }

  run(): Score {
    const { arrivals, outages } = this.#cell;
    for (const { device, fromMs, toMs } of outages) {
      this.#clock.at(fromMs, () => { this.#leave(device); });
      this.#clock.at(toMs, () => {
        this.#away.delete(device);
        this.#pump();
      });
    }
    const arrive = (index: number): void => {
      const arrival = arrivals[index];
      if (arrival === undefined) return;
      this.#clock.at(arrival.atMs, () => {
        const queue = this.#queues[arrival.model]!;
        if (queue.length < this.#maxQueue[arrival.model]!) queue.push(index);
        this.#pump();
        arrive(index + 1);
      });
    };
    arrive(0);
    this.#clock.run(Infinity);
    return this.#ledger.score();
  }

  #pump(): void {
    const nowMs = this.#clock.nowMs();
    for (const queue of this.#queues) queue.dropExpired(nowMs);
    for (const slot of this.#slots) {
      if (slot.run !== null || this.#away.has(slot.device)) continue;
      if (!this.#fill(slot, nowMs)) return;
    }
  }

  /** The model whose oldest request has waited longest goes first. False when no queue starts anything. */
  #fill(slot: Slot, nowMs: number): boolean {
    const waiting = this.#queues.filter(({ length }) => length > 0).sort((a, b) => a.oldestMs - b.oldestMs);
    for (const queue of waiting) {
      const choice = queue.rival.choose(queue, nowMs);
      if (choice.rows > 0) {
        this.#start(slot, queue, choice.rows, nowMs);
        return true;
      }
      if ('againAtMs' in choice) this.#askAgain(choice.againAtMs);
    }
    return false;
  }

  #askAgain(atMs: number): void {
    if (atMs >= this.#againAtMs) return;
    this.#againAtMs = atMs;
    this.#clock.at(atMs, () => {
      if (this.#againAtMs === atMs) this.#againAtMs = Infinity;
      this.#pump();
    });
  }

  #start(slot: Slot, queue: RequestQueue, rows: number, nowMs: number): void {
    const requests = queue.take(rows);
    const { arrivals, models } = this.#cell;
    const length = Math.max(...requests.map((request) => arrivals[request]!.length));
    const tookMs = trueMs(this.#cell, models[arrivals[requests[0]!]!.model]!, requests.length, length, nowMs, this.#noise);
    const waitedMs = nowMs - Math.min(...requests.map((request) => arrivals[request]!.atMs));
    const run = { requests, lost: false };
    slot.run = run;
    this.#clock.after(tookMs, () => {
      if (run.lost) return;
      slot.run = null;
      this.#ledger.ran(nowMs, tookMs);
      for (const request of requests) this.#ledger.answered(request, this.#clock.nowMs());
      queue.rival.learned?.(requests.length, tookMs, waitedMs);
      this.#pump();
    });
  }

  /** What ran there is queued again, in front. */
  #leave(device: number): void {
    this.#away.add(device);
    for (const slot of this.#slots) {
      if (slot.device !== device || slot.run === null) continue;
      slot.run.lost = true;
      this.#queues[this.#cell.arrivals[slot.run.requests[0]!]!.model]!.giveBack(slot.run.requests);
      slot.run = null;
    }
    this.#pump();
  }
}

class RequestQueue implements QueueView {
  readonly rival: Rival;
  readonly #cell: Cell;
  #requests: number[] = [];
  #head = 0;

  constructor(cell: Cell, rival: Rival) {
    this.#cell = cell;
    this.rival = rival;
  }

  get length(): number {
    return this.#requests.length - this.#head;
  }

  get oldestMs(): number {
    return this.#at(this.#head).atMs;
  }

  get newestMs(): number {
    return this.#at(this.#requests.length - 1).atMs;
  }

  sameShape(limit: number): number {
    const { length } = this.#at(this.#head);
    let count = 1;
    while (count < limit && count < this.length && this.#at(this.#head + count).length === length) count += 1;
    return count;
  }

  push(request: number): void {
    this.#requests.push(request);
  }

  giveBack(requests: readonly number[]): void {
    this.#requests = [...requests, ...this.#requests.slice(this.#head)];
    this.#head = 0;
  }

  take(rows: number): number[] {
    if (this.rival.fromTail === true) return this.#takeNewest(rows);
    const taken = this.#requests.slice(this.#head, this.#head + rows);
    this.#head += taken.length;
    this.#compact();
    return taken;
  }

  /** Callers that have given up have closed their connection. */
  dropExpired(nowMs: number): void {
    while (this.length > 0 && this.#at(this.#head).deadlineMs <= nowMs) this.#head += 1;
    this.#compact();
  }

  /** The newest, of one shape. */
  #takeNewest(rows: number): number[] {
    const { length } = this.#at(this.#requests.length - 1);
    const taken: number[] = [];
    while (taken.length < rows && this.length > 0 && this.#at(this.#requests.length - 1).length === length) taken.push(this.#requests.pop()!);
    return taken;
  }

  #at(index: number): Cell['arrivals'][number] {
    return this.#cell.arrivals[this.#requests[index]!]!;
  }

  #compact(): void {
    if (this.#head < 1024 || this.#head * 2 < this.#requests.length) return;
    this.#requests = this.#requests.slice(this.#head);
    this.#head = 0;
  }
}
