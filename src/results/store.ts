/**
 * Records of requests: all that run, and those that have settled until they are too old, too many or too large in sum;
 * then the one that settled first goes. Settled records are a linked list beside the map, because a Map that loses its
 * first key with each insertion walks over the holes it has left (V8), thousands at a time.
 */
import type { Clock } from '../contracts/clock.ts';
import type { JobId, Reply } from '../contracts/job.ts';
import type { RequestRecord, RequestStore } from '../contracts/results.ts';
import { SluiceError } from '../errors.ts';
import { StoredRequest } from './record.ts';

export interface RequestStoreOptions {
  /** How long a settled record is kept; 0 keeps none. */
  readonly maxAgeMs: number;
  /** Memory of all settled records, payloads included; 0 keeps none. */
  readonly maxBytes: number;
  readonly maxEntries: number;
}

class BoundedRequestStore implements RequestStore {
  readonly keepsSettled: boolean;
  readonly #clock: Clock;
  readonly #options: RequestStoreOptions;
  readonly #records = new Map<JobId, StoredRequest>();
  #oldest: StoredRequest | null = null;
  #newest: StoredRequest | null = null;
  #settledCount = 0;
  #settledBytes = 0;
  #cancelSweep: (() => void) | null = null;
  readonly #onSettled = (record: StoredRequest): void => {
    this.#link(record);
    this.#evict();
    this.#sweepLater();
  };

  constructor(clock: Clock, options: RequestStoreOptions) {
    this.#clock = clock;
    this.#options = options;
    this.keepsSettled = options.maxAgeMs > 0 && options.maxBytes > 0 && options.maxEntries > 0;
  }

  open(id: JobId, reply: Reply): RequestRecord {
    const former = this.#records.get(id);
    if (former !== undefined) {
      if (!former.settled) throw new SluiceError('DUPLICATE_ID', `id: a request with the id ${JSON.stringify(id)} is still running; use another id, or none`);
      this.#remove(former);
    }
    const record = new StoredRequest(id, reply, this.#onSettled);
    this.#records.set(id, record);
    return record;
  }

  find(id: JobId): RequestRecord | null {
    this.#evict();
    return this.#records.get(id) ?? null;
  }

  usage(): { readonly running: number; readonly settled: number; readonly settledBytes: number } {
    return { running: this.#records.size - this.#settledCount, settled: this.#settledCount, settledBytes: this.#settledBytes };
  }

  close(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = null;
  }

  #link(record: StoredRequest): void {
    record.settledMs = this.#clock.nowMs();
    record.older = this.#newest;
    if (this.#newest === null) this.#oldest = record;
    else this.#newest.newer = record;
    this.#newest = record;
    this.#settledCount += 1;
    this.#settledBytes += record.byteLength;
  }

  #remove(record: StoredRequest): void {
    if (record.older === null) this.#oldest = record.newer;
    else record.older.newer = record.newer;
    if (record.newer === null) this.#newest = record.older;
    else record.newer.older = record.older;
    record.older = null;
    record.newer = null;
    this.#settledCount -= 1;
    this.#settledBytes -= record.byteLength;
    this.#records.delete(record.id);
  }

  #evict(): void {
    const bornAfterMs = this.#clock.nowMs() - this.#options.maxAgeMs;
    while (this.#oldest !== null && (this.#isOver() || this.#oldest.settledMs <= bornAfterMs)) this.#remove(this.#oldest);
  }

  #isOver(): boolean {
    return this.#settledCount > this.#options.maxEntries || this.#settledBytes > this.#options.maxBytes;
  }

  /** Frees old records when no request comes by to do it. One timer for all of them. */
  #sweepLater(): void {
    if (this.#cancelSweep !== null || this.#oldest === null) return;
    const dueMs = this.#oldest.settledMs + this.#options.maxAgeMs - this.#clock.nowMs();
    this.#cancelSweep = this.#clock.after(Math.max(1, Math.ceil(dueMs)), () => {
      this.#cancelSweep = null;
      this.#evict();
      this.#sweepLater();
    });
  }
}

/** An empty store. `close` ends its timer. */
export function createRequestStore(clock: Clock, options: RequestStoreOptions): RequestStore & { close(): void } {
  return new BoundedRequestStore(clock, options);
}
