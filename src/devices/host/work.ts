/** Where a worker's work comes from: its port for what its host's main thread says, and the ring, or the same port, for orders. */
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import type { BatchResult } from '../../contracts/device.ts';
import { decodeOrder, encodeResult } from '../orders.ts';
import type { RingConsumer } from '../ring.ts';
import type { FromWorker, ToWorker, WorkerCall } from './worker-protocol.ts';
import type { BatchOrder } from '../../contracts/device.ts';

export type Work =
  | { readonly type: 'call'; readonly call: WorkerCall }
  | { readonly type: 'order'; readonly order: BatchOrder; readonly startedMs: number; readonly finish: (result: BatchResult) => void };

export interface WorkSource {
  /** The next piece of work; waits for it. */
  next(): Work | Promise<Work>;
}

/** Nothing depends on it: every piece of news wakes. It only bounds the harm of a bug. */
const SLEEP_MS = 60_000;

/** Sleeps in this thread until an order or a call is there: 0.06–0.13 CPU-ms a batch cheaper than a message. */
export class RingSource implements WorkSource {
  private readonly port: MessagePort;
  private readonly ring: RingConsumer;
  private readonly nowMs: () => number;

  constructor(port: MessagePort, ring: RingConsumer, nowMs: () => number) {
    this.port = port;
    this.ring = ring;
    this.nowMs = nowMs;
  }

  next(): Work {
    for (;;) {
      const seen = this.ring.sequence();
      const received = receiveMessageOnPort(this.port) as { readonly message: WorkerCall } | undefined;
      if (received !== undefined) return { type: 'call', call: received.message };
      const startedMs = this.nowMs();
      const claim = this.ring.claim(startedMs);
      if (claim !== null) {
        const { entry, text } = claim;
        return { type: 'order', order: decodeOrder(text), startedMs, finish: (result) => this.finish(entry, result) };
      }
      this.ring.sleep(seen, SLEEP_MS);
    }
  }

  private finish(entry: number, result: BatchResult): void {
    if (this.ring.finish(entry, encodeResult(result))) return;
    const { batchId } = result;
    this.ring.finish(entry, encodeResult({ batchId, ok: false, code: 'BAD_ORDER', message: 'the result does not fit its ring entry' }));
  }
}

/** Orders as messages, where there is no ring. */
export class PortSource implements WorkSource {
  private readonly port: MessagePort;
  private readonly nowMs: () => number;
  private readonly waiting: ToWorker[] = [];
  private wake: (() => void) | null = null;

  constructor(port: MessagePort, nowMs: () => number) {
    this.port = port;
    this.nowMs = nowMs;
    port.on('message', (message: ToWorker) => {
      this.waiting.push(message);
      this.wake?.();
    });
  }

  async next(): Promise<Work> {
    for (;;) {
      const message = this.waiting.shift();
      if (message?.type === 'run') return this.order(message.order);
      if (message !== undefined) return { type: 'call', call: message };
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.wake = null;
    }
  }

  private order(text: string): Work {
    const order = decodeOrder(text);
    const { batchId } = order;
    const startedMs = this.nowMs();
    this.post({ type: 'started', batchId, startedMs });
    return { type: 'order', order, startedMs, finish: (result) => this.post({ type: 'done', batchId, result: encodeResult(result) }) };
  }

  private post(message: FromWorker): void {
    this.port.postMessage(message);
  }
}
