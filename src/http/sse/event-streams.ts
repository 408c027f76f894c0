/** All open event streams: one heartbeat for all, and one timer that tells queued requests where they stand. */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../contracts/clock.ts';
import type { Pipeline } from '../../contracts/job.ts';
import type { RequestRecord } from '../../contracts/results.ts';
import type { QueuedData } from '../../contracts/stages.ts';
import { SluiceError } from '../../errors.ts';
import { headerSafeId } from '../infer/request-id.ts';
import { EventStream } from './event-stream.ts';
import { errorPayload, smallPayload } from './payload.ts';

export interface EventStreamOptions {
  readonly eventsIntervalMs: number;
  readonly eventsHeartbeatMs: number;
  readonly eventsRetryMs: number;
  readonly maxEventStreams: number;
}

/** A request that waits and has readers. */
interface Waiting {
  readonly record: RequestRecord;
  readers: number;
  last: QueuedData | null;
}

export class EventStreams {
  readonly #clock: Clock;
  readonly #pipeline: Pipeline;
  readonly #options: EventStreamOptions;
  readonly #streams = new Set<EventStream>();
  readonly #waiting = new Map<RequestRecord, Waiting>();
  #cancelHeartbeat: (() => void) | null = null;
  #cancelRefresh: (() => void) | null = null;
  readonly #onOver = (stream: EventStream): void => {
    this.#streams.delete(stream);
    const waiting = this.#waiting.get(stream.record);
    if (waiting !== undefined) waiting.readers -= 1;
  };

  constructor(clock: Clock, pipeline: Pipeline, options: EventStreamOptions) {
    this.#clock = clock;
    this.#pipeline = pipeline;
    this.#options = options;
  }

  /** Throws OVERLOADED when no more streams are allowed. */
  checkRoom(): void {
    if (this.#streams.size < this.#options.maxEventStreams) return;
    throw new SluiceError('OVERLOADED', `${this.#streams.size} event streams are open, as many as are allowed; try again later, or send the request without Accept: text/event-stream`, { retryAfterMs: this.#options.eventsRetryMs });
  }

  /** Answers with the events after `cursor`, until the last one. `closing`: the connection ends with the stream. */
  open(response: ServerResponse, record: RequestRecord, cursor: number, closing: boolean): void {
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
      'X-Request-Id': headerSafeId(record.id),
      ...(closing ? { Connection: 'close' } : {}),
    });
    response.write(`retry: ${this.#options.eventsRetryMs}\n\n`);
    const stream = new EventStream(response, record, cursor, this.#onOver);
    this.#streams.add(stream);
    this.#watch(record);
    stream.pump();
    this.#beatLater();
  }

  /** Says where a request stands, if that has changed since it was said last. `atOnce`: it began without waiting. */
  announce(record: RequestRecord, atOnce = false): void {
    const waiting = this.#waiting.get(record);
    const found = atOnce ? { position: 0, queueSize: 0, etaMs: 0 } : this.#pipeline.position(record.id);
    if (found === null || record.started || record.settled) return;
    const { position, queueSize, etaMs } = found;
    const data: QueuedData = { request_id: record.id, position, queue_size: queueSize, eta_ms: etaMs === null ? null : Math.max(0, Math.round(etaMs)) };
    const last = waiting?.last;
    if (last?.position === position && last.queue_size === queueSize && last.eta_ms === data.eta_ms) return;
    if (waiting !== undefined) waiting.last = data;
    record.add('queued', smallPayload(data));
  }

  /** Ends every stream whose request isn't over with an `error` event. The others have their last event, or are being sent it. */
  close(): void {
    this.#cancelHeartbeat?.();
    this.#cancelRefresh?.();
    this.#cancelHeartbeat = null;
    this.#cancelRefresh = null;
    const stopping = new SluiceError('STOPPING', 'the server is stopping');
    for (const stream of [...this.#streams]) {
      if (stream.record.settled) continue;
      const data = Buffer.from(errorPayload(stream.record.id, stopping).json()).toString();
      stream.close(`event: error\ndata: ${data}\n\n`);
    }
  }

  #watch(record: RequestRecord): void {
    if (record.started || record.settled) return;
    const waiting = this.#waiting.get(record);
    if (waiting === undefined) this.#waiting.set(record, { record, readers: 1, last: null });
    else waiting.readers += 1;
    this.announce(record);
    this.#refreshLater();
  }

  #refreshLater(): void {
    if (this.#cancelRefresh !== null || this.#waiting.size === 0) return;
    this.#cancelRefresh = this.#clock.after(this.#options.eventsIntervalMs, () => {
      this.#cancelRefresh = null;
      for (const { record, readers } of this.#waiting.values()) {
        if (record.started || record.settled || readers === 0) this.#waiting.delete(record);
        else this.announce(record);
      }
      this.#refreshLater();
    });
  }

  #beatLater(): void {
    if (this.#cancelHeartbeat !== null || this.#streams.size === 0) return;
    this.#cancelHeartbeat = this.#clock.after(this.#options.eventsHeartbeatMs, () => {
      this.#cancelHeartbeat = null;
      for (const stream of [...this.#streams]) stream.heartbeat();
      this.#beatLater();
    });
  }
}
