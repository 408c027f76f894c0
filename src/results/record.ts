/** The events of one request. */
import type { JobId, Reply } from '../contracts/job.ts';
import type { EventPayload, EventType, RequestRecord, StoredEvent } from '../contracts/results.ts';
import { SettleOnce } from './settle.ts';

/** What an entry costs besides its payloads: record, events, map slot, id (measured with 100,000 entries: 430 bytes on Node 20). */
const ENTRY_BYTES = 512;

export class StoredRequest implements RequestRecord {
  readonly id: JobId;
  readonly reply: Reply;
  readonly #events: StoredEvent[] = [];
  readonly #onSettled: (record: StoredRequest) => void;
  #listeners: (() => void)[] = [];
  #lastEventId = 0;
  #started = false;
  #settled = false;
  #byteLength: number;
  /** The store's: when it settled, and its neighbours in that order. */
  settledMs = 0;
  older: StoredRequest | null = null;
  newer: StoredRequest | null = null;

  constructor(id: JobId, reply: Reply, onSettled: (record: StoredRequest) => void) {
    this.id = id;
    this.reply = new SettleOnce(reply);
    this.#onSettled = onSettled;
    this.#byteLength = ENTRY_BYTES + 2 * id.length;
  }

  get settled(): boolean {
    return this.#settled;
  }

  get started(): boolean {
    return this.#started;
  }

  get lastEventId(): number {
    return this.#lastEventId;
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  add(type: EventType, payload: EventPayload): void {
    if (this.#settled) return;
    if (type === 'queued') this.#dropQueued();
    this.#lastEventId += 1;
    this.#events.push({ id: this.#lastEventId, type, payload });
    this.#byteLength += payload.byteLength;
    if (type === 'started') this.#started = true;
    if (type === 'result' || type === 'error') {
      this.#settled = true;
      this.#onSettled(this);
    }
    for (const listener of this.#listeners) listener();
  }

  nextAfter(eventId: number): StoredEvent | null {
    for (const event of this.#events) {
      if (event.id > eventId) return event;
    }
    return null;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  #dropQueued(): void {
    const index = this.#events.findIndex((event) => event.type === 'queued');
    if (index === -1) return;
    const [dropped] = this.#events.splice(index, 1);
    this.#byteLength -= dropped?.payload.byteLength ?? 0;
  }
}
