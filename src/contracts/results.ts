/** What is kept of requests, so that a client that lost its connection finds its events and its result again. */
import type { JobId, Reply } from './job.ts';

/** `result` and `error` are last: one of them, once. */
export type EventType = 'queued' | 'started' | 'result' | 'error';

/** The data of an event. Rendered when somebody reads it, not before: most answers are never asked for again. */
export interface EventPayload {
  /** Memory that it holds, for the bound of the store. */
  readonly byteLength: number;
  /** One line of JSON. Throws a SluiceError where the answer has no JSON form. */
  json(): Uint8Array;
}

export interface StoredEvent {
  /** Counts from 1 within the request. */
  readonly id: number;
  readonly type: EventType;
  readonly payload: EventPayload;
}

/** The events of one request. A newer `queued` event takes the place of the one before: only the latest says anything. */
export interface RequestRecord {
  readonly id: JobId;
  /** Goes into the job. Passes on to the reply that `open` was given, and of several outcomes the first only. */
  readonly reply: Reply;
  /** True from the `result` or `error` event on; later events are dropped. */
  readonly settled: boolean;
  readonly started: boolean;
  /** 0 before the first event. */
  readonly lastEventId: number;
  add(type: EventType, payload: EventPayload): void;
  /** The oldest event that is kept with an id above `eventId`. */
  nextAfter(eventId: number): StoredEvent | null;
  /** `listener` is called after each event. Returns what ends it. */
  subscribe(listener: () => void): () => void;
}

export interface RequestStore {
  /** False where nothing outlives its request: then a lost event stream can't be resumed. */
  readonly keepsSettled: boolean;
  /** Begins a request's record. Throws DUPLICATE_ID while another one of this id runs; one that has ended is replaced. */
  open(id: JobId, reply: Reply): RequestRecord;
  /** Running requests, and settled ones that are still kept. */
  find(id: JobId): RequestRecord | null;
  usage(): { readonly running: number; readonly settled: number; readonly settledBytes: number };
}
