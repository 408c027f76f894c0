/** How orders reach a host and results come back: through the ring where there is one, else as messages. */
import type { TensorArena } from '../contracts/arena.ts';
import type { BatchOrder } from '../contracts/device.ts';
import type { Lease } from '../contracts/tensor.ts';
import { SluiceError } from '../errors.ts';
import type { SharedMemory } from '../native/contract.ts';
import { encodeOrder } from './orders.ts';
import type { FrontMessage, HostSettings } from './protocol.ts';
import { CLAIMED, DONE, ENTRY_BYTES, READY, RingProducer, ringBytes } from './ring.ts';

export interface LinkEvents {
  started(batchId: number, startedMs: number): void;
  /** `result`: text as in orders.ts, unchecked. */
  done(batchId: number, result: string): void;
  /** The host wrote what cannot be. */
  lied(reason: string): void;
}

export interface HostLink {
  /** For the host's settings: where its orders come from. */
  readonly ring: HostSettings['ring'];
  /** Hands an order over; false when there is no room for it. */
  push(order: BatchOrder): boolean;
  /** Looks for what has changed, and tells it. */
  poll(): void;
  /** Forgets every order, for a new host. Only when the old one has ended. */
  reset(): void;
  /** Gives its memory back. */
  close(): void;
}

/** Orders go over the control channel; what comes back is for the supervisor to hand on. */
export class MessageLink implements HostLink {
  readonly ring = null;
  private readonly send: (message: FrontMessage) => void;

  constructor(send: (message: FrontMessage) => void) {
    this.send = send;
  }

  push(order: BatchOrder): boolean {
    this.send({ type: 'run', order: encodeOrder(order) });
    return true;
  }

  poll(): void {
    // Everything arrives as a message.
  }

  reset(): void {
    // Nothing is kept.
  }

  close(): void {
    // Nothing is held.
  }
}

interface Flight {
  readonly batchId: number;
  readonly overflow: Lease | null;
  started: boolean;
}

export class RingLink implements HostLink {
  readonly ring: { readonly region: Lease['region']; readonly entries: number };
  private readonly arena: TensorArena;
  private readonly events: LinkEvents;
  private readonly lease: Lease;
  private readonly producer: RingProducer;
  /** By ring entry. */
  private readonly flights = new Map<number, Flight>();

  /** `entries`: orders that are in the host at a time. Throws CONFIG_INVALID when the arena has no room for the ring. */
  constructor(arena: TensorArena, shared: SharedMemory, entries: number, events: LinkEvents) {
    const byteLength = ringBytes(entries);
    const lease = arena.reserve(byteLength);
    if (lease === null) throw new SluiceError('CONFIG_INVALID', `ARENA_MIB is too small: the ring of a device with room for ${entries} batches takes ${byteLength} bytes`);
    const { buffer } = arena.memory.view(lease.region);
    this.arena = arena;
    this.events = events;
    this.lease = lease;
    this.producer = new RingProducer(buffer, lease.region, entries, shared);
    this.ring = { region: lease.region, entries };
  }

  push(order: BatchOrder): boolean {
    const text = encodeOrder(order);
    // Counting the bytes of every order would cost more than reserving a little early.
    const large = text.length * 3 > ENTRY_BYTES;
    const overflow = large ? this.arena.reserve(text.length * 3) : null;
    if (large && overflow === null) return false;
    const entry = this.producer.push(text, overflow?.region ?? null);
    if (entry === null) {
      overflow?.release();
      return false;
    }
    this.flights.set(entry, { batchId: order.batchId, overflow, started: false });
    return true;
  }

  poll(): void {
    this.producer.answerBell();
    for (const [entry, flight] of this.flights) {
      const state = this.producer.state(entry);
      if (state === READY) continue;
      if (state !== CLAIMED && state !== DONE) {
        this.events.lied(`ring entry ${entry} has state ${state}`);
        return;
      }
      if (!flight.started) {
        flight.started = true;
        this.events.started(flight.batchId, this.producer.startedMs(entry));
      }
      if (state !== DONE) continue;
      const result = this.producer.result(entry);
      this.flights.delete(entry);
      this.producer.release(entry);
      flight.overflow?.release();
      if (result === null) {
        this.events.lied(`ring entry ${entry} has an impossible length`);
        return;
      }
      this.events.done(flight.batchId, result);
    }
  }

  reset(): void {
    for (const { overflow } of this.flights.values()) overflow?.release();
    this.flights.clear();
    this.producer.reset();
  }

  close(): void {
    this.reset();
    this.lease.release();
  }
}
