/**
 * One client that reads the events of one request. It pulls: a cursor over the record moves on when the socket takes more.
 * So a slow reader holds nothing but one chunk: `queued` events that it missed have been replaced in the record, a large
 * result lies in the store once for all readers.
 */
import type { ServerResponse } from 'node:http';
import type { RequestRecord, StoredEvent } from '../../contracts/results.ts';
import { toSluiceError } from '../../errors.ts';
import { errorPayload } from './payload.ts';

/** Piece in which a large event is written: with Node's own high-water mark, all that one reader can make us buffer. */
const PIECE_BYTES = 65_536;
/** Heartbeats that a reader may miss before its connection is closed. */
const PATIENCE = 2;
const END_OF_EVENT = Buffer.from('\n\n');

export class EventStream {
  readonly record: RequestRecord;
  readonly #response: ServerResponse;
  readonly #onOver: (stream: EventStream) => void;
  readonly #unsubscribe: () => void;
  #cursor: number;
  /** What is left of an event that did not fit. */
  #rest: Uint8Array | null = null;
  #blocked = false;
  #missedHeartbeats = 0;
  #over = false;

  /** `response` has its head written; events after `cursor` follow. */
  constructor(response: ServerResponse, record: RequestRecord, cursor: number, onOver: (stream: EventStream) => void) {
    this.#response = response;
    this.record = record;
    this.#cursor = cursor;
    this.#onOver = onOver;
    this.#unsubscribe = record.subscribe(() => this.pump());
    response.on('drain', () => {
      this.#blocked = false;
      this.#missedHeartbeats = 0;
      this.pump();
    });
    response.once('close', () => this.#leave());
  }

  /** Writes what is new, as far as the socket takes it, and ends the stream behind the last event. */
  pump(): void {
    while (!this.#blocked && !this.#over) {
      if (this.#rest !== null) {
        this.#writePiece(this.#rest);
        continue;
      }
      const event = this.record.nextAfter(this.#cursor);
      if (event === null) break;
      this.#cursor = event.id;
      this.#begin(event);
    }
    const finished = this.record.settled && this.#cursor >= this.record.lastEventId && this.#rest === null;
    if (finished && !this.#over) this.#end();
  }

  /** Keeps proxies from closing an idle stream, and closes one whose reader has stopped reading: it can resume. */
  heartbeat(): void {
    if (this.#over) return;
    if (!this.#blocked) {
      this.#write(': heartbeat\n\n');
      return;
    }
    this.#missedHeartbeats += 1;
    if (this.#missedHeartbeats >= PATIENCE) this.#response.destroy();
  }

  /** The last word of a server that stops: `event` is a whole frame. */
  close(frame: string): void {
    if (this.#over) return;
    if (this.#rest === null) this.#write(frame);
    this.#end();
  }

  #begin(event: StoredEvent): void {
    const { type, data } = render(event, this.record.id);
    const head = Buffer.from(`id: ${event.id}\nevent: ${type}\ndata: `);
    if (data.length <= PIECE_BYTES) {
      this.#write(Buffer.concat([head, data, END_OF_EVENT]));
      return;
    }
    this.#write(head);
    this.#rest = data;
  }

  #writePiece(rest: Uint8Array): void {
    this.#rest = rest.length > PIECE_BYTES ? rest.subarray(PIECE_BYTES) : null;
    this.#write(this.#rest === null ? Buffer.concat([rest, END_OF_EVENT]) : rest.subarray(0, PIECE_BYTES));
  }

  #write(bytes: string | Uint8Array): void {
    if (!this.#response.write(bytes)) this.#blocked = true;
  }

  #end(): void {
    this.#leave();
    this.#response.end();
  }

  #leave(): void {
    if (this.#over) return;
    this.#over = true;
    this.#rest = null;
    this.#unsubscribe();
    this.#onOver(this);
  }
}

/** JSON has no line ends of its own, so one `data:` line holds it whole and nothing in it can end the event early. */
function render({ type, payload }: StoredEvent, requestId: string): { readonly type: string; readonly data: Uint8Array } {
  try {
    return { type, data: payload.json() };
  } catch (thrown) {
    return { type: 'error', data: errorPayload(requestId, toSluiceError(thrown)).json() };
  }
}
