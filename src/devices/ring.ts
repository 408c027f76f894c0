/**
 * The way of a batch through shared memory: a table of entries and a queue of their indices, in one region of the arena.
 * The front is the only producer and the only one that frees; the worker threads of one host claim by compare-exchange.
 *
 *   FREE → READY (front: order written, index queued) → CLAIMED (a worker took it) → DONE (result written) → FREE (front)
 *
 * A worker sleeps on the `sequence` word. Whoever has news for it (an order, or a message on its port) changes the word
 * first and wakes after, and a worker reads the word before it looks for news: no wake-up is lost. The `bell` word keeps
 * many completions from ringing the doorbell more than once before the front answers.
 */
import type { Region } from '../contracts/tensor.ts';
import type { SharedMemory } from '../native/contract.ts';

const FREE = 0;
export const READY = 1;
export const CLAIMED = 2;
export const DONE = 3;

/** Each word of the head has a cache line of its own: producers and consumers don't slow each other down. */
const LINE_BYTES = 64;
const SEQUENCE = 0;
const HEAD = LINE_BYTES / 4;
const TAIL = (2 * LINE_BYTES) / 4;
const SLEEPERS = (3 * LINE_BYTES) / 4;
const BELL = (4 * LINE_BYTES) / 4;
const QUEUE = (5 * LINE_BYTES) / 4;

/** Bytes for the JSON of an order or a result. An order of one input is about 100 bytes plus 30 for each segment. */
export const ENTRY_BYTES = 16 * 1024;
const ENTRY_HEAD_BYTES = LINE_BYTES;
/** Words of an entry's head. */
const STATE = 0;
const LENGTH = 1;
/** Doubles of an entry's head. */
const STARTED_MS = 1;
const OVERFLOW_OFFSET = 2;
const OVERFLOW_BYTES = 3;

/** Bytes that a ring with room for `entries` orders takes. */
export function ringBytes(entries: number): number {
  return headBytes(entries) + entries * (ENTRY_HEAD_BYTES + ENTRY_BYTES);
}

function headBytes(entries: number): number {
  return Math.ceil((5 * LINE_BYTES + 4 * queueLength(entries)) / LINE_BYTES) * LINE_BYTES;
}

/** A power of two, so that positions stay in step when the 32-bit counters wrap (after 4 billion orders: weeks). */
function queueLength(entries: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, entries)));
}

/** What both ends see. */
class Ring {
  protected readonly words: Int32Array;
  private readonly doubles: Float64Array;
  protected readonly bytes: Buffer;
  protected readonly entries: number;
  private readonly base: number;
  private readonly queueMask: number;
  protected readonly memory: ArrayBuffer;

  constructor(memory: ArrayBuffer, region: Region, entries: number) {
    if (region.offset % LINE_BYTES !== 0 || region.byteLength < ringBytes(entries)) throw new RangeError(`a ring of ${entries} entries does not fit ${region.byteLength} bytes at ${region.offset}`);
    this.memory = memory;
    this.base = region.offset;
    this.entries = entries;
    this.queueMask = queueLength(entries) - 1;
    const length = ringBytes(entries);
    this.words = new Int32Array(memory, region.offset, length / 4);
    this.doubles = new Float64Array(memory, region.offset, length / 8);
    this.bytes = Buffer.from(memory, region.offset, length);
  }

  /** Where the sequence word lies in the memory: what futexWait sleeps on. */
  protected get sequenceOffset(): number {
    return this.base + SEQUENCE * 4;
  }

  protected entryAt(entry: number): number {
    return headBytes(this.entries) + entry * (ENTRY_HEAD_BYTES + ENTRY_BYTES);
  }

  protected queueWord(position: number): number {
    return QUEUE + (position & this.queueMask);
  }

  protected stateWord(entry: number): number {
    return this.entryAt(entry) / 4 + STATE;
  }

  protected lengthWord(entry: number): number {
    return this.entryAt(entry) / 4 + LENGTH;
  }

  protected double(entry: number, which: number): number {
    return this.doubles[this.entryAt(entry) / 8 + which] ?? Number.NaN;
  }

  protected setDouble(entry: number, which: number, value: number): void {
    this.doubles[this.entryAt(entry) / 8 + which] = value;
  }

  /** Writes text where the entry keeps it: in itself, or in its overflow. False when it does not fit. */
  protected writeText(entry: number, text: string, overflow: Region | null): boolean {
    const byteLength = Buffer.byteLength(text);
    if (byteLength > (overflow?.byteLength ?? ENTRY_BYTES)) return false;
    if (overflow === null) this.bytes.write(text, this.entryAt(entry) + ENTRY_HEAD_BYTES, byteLength, 'utf8');
    else Buffer.from(this.memory, overflow.offset, overflow.byteLength).write(text, 0, byteLength, 'utf8');
    this.words[this.lengthWord(entry)] = byteLength;
    return true;
  }

  /** Null when the length is a lie. */
  protected readText(entry: number, overflow: Region | null): string | null {
    const byteLength = this.words[this.lengthWord(entry)] ?? -1;
    if (byteLength < 0 || byteLength > (overflow?.byteLength ?? ENTRY_BYTES)) return null;
    if (overflow !== null) return Buffer.from(this.memory, overflow.offset, byteLength).toString('utf8');
    const at = this.entryAt(entry) + ENTRY_HEAD_BYTES;
    return this.bytes.toString('utf8', at, at + byteLength);
  }
}

/** The front's end. It trusts nothing that it reads back. */
export class RingProducer extends Ring {
  private readonly shared: SharedMemory;
  private readonly free: number[] = [];
  private readonly overflows: (Region | null)[] = [];

  constructor(memory: ArrayBuffer, region: Region, entries: number, shared: SharedMemory) {
    super(memory, region, entries);
    this.shared = shared;
    this.reset();
  }

  /** Empties the ring, for a new host. Only when no host has it mapped. */
  reset(): void {
    this.words.fill(0);
    this.free.length = 0;
    for (let entry = this.entries - 1; entry >= 0; entry -= 1) this.free.push(entry);
    this.overflows.length = 0;
  }

  /**
   * Queues an order and wakes a worker. Returns its entry, or null when the text doesn't fit or no entry is free.
   * `overflow`: memory for a text of more than ENTRY_BYTES; the result comes back there too.
   */
  push(text: string, overflow: Region | null): number | null {
    const entry = this.free.pop();
    if (entry === undefined) return null;
    if (!this.writeText(entry, text, overflow)) {
      this.free.push(entry);
      return null;
    }
    this.overflows[entry] = overflow;
    this.setDouble(entry, STARTED_MS, 0);
    this.setDouble(entry, OVERFLOW_OFFSET, overflow?.offset ?? 0);
    this.setDouble(entry, OVERFLOW_BYTES, overflow?.byteLength ?? 0);
    Atomics.store(this.words, this.stateWord(entry), READY);
    const tail = Atomics.load(this.words, TAIL);
    // An entry is in the queue at most once, so the queue cannot overtake itself.
    this.words[this.queueWord(tail)] = entry;
    Atomics.store(this.words, TAIL, tail + 1);
    Atomics.add(this.words, SEQUENCE, 1);
    if (Atomics.load(this.words, SLEEPERS) > 0) this.shared.futexWake(this.memory, this.sequenceOffset, 1);
    return entry;
  }

  state(entry: number): number {
    return Atomics.load(this.words, this.stateWord(entry));
  }

  /** When a worker claimed it, on the monotonic clock. */
  startedMs(entry: number): number {
    return this.double(entry, STARTED_MS);
  }

  /** Text of the result of a DONE entry; null when what stands there cannot be one. */
  result(entry: number): string | null {
    return this.readText(entry, this.overflows[entry] ?? null);
  }

  /** Gives an entry back, once its result has been read. */
  release(entry: number): void {
    this.overflows[entry] = null;
    Atomics.store(this.words, this.stateWord(entry), FREE);
    this.free.push(entry);
  }

  /** To be called before looking at the entries: what is done from here on rings again. */
  answerBell(): void {
    Atomics.store(this.words, BELL, 0);
  }
}

/** An order as a worker claimed it. */
export interface Claim {
  readonly entry: number;
  readonly text: string;
}

/** A worker thread's end; each has its own. */
export class RingConsumer extends Ring {
  private readonly shared: SharedMemory;
  private readonly doorbell: number;

  constructor(memory: ArrayBuffer, region: Region, entries: number, shared: SharedMemory, doorbell: number) {
    super(memory, region, entries);
    this.shared = shared;
    this.doorbell = doorbell;
  }

  /** To be read before looking for work, and handed to sleep(). */
  sequence(): number {
    return Atomics.load(this.words, SEQUENCE);
  }

  /** Takes the oldest order, if there is one. `nowMs` on the monotonic clock becomes its start. */
  claim(nowMs: number): Claim | null {
    for (;;) {
      const head = Atomics.load(this.words, HEAD);
      if (head === Atomics.load(this.words, TAIL)) return null;
      const entry = this.words[this.queueWord(head)] ?? -1;
      // Whoever moves the head owns what stood there; had another done it first, `entry` may be stale and is not used.
      if (Atomics.compareExchange(this.words, HEAD, head, head + 1) !== head) continue;
      this.setDouble(entry, STARTED_MS, nowMs);
      Atomics.store(this.words, this.stateWord(entry), CLAIMED);
      const text = this.readText(entry, this.overflow(entry));
      if (text === null) throw new Error(`ring entry ${entry} is damaged`);
      return { entry, text };
    }
  }

  /** Stores a result and rings. False when it doesn't fit: the caller then has a shorter one. */
  finish(entry: number, text: string): boolean {
    if (!this.writeText(entry, text, this.overflow(entry))) return false;
    Atomics.store(this.words, this.stateWord(entry), DONE);
    if (Atomics.exchange(this.words, BELL, 1) === 0) this.shared.ring(this.doorbell);
    return true;
  }

  /** Sleeps until something changed after `seen` was read, or timeoutMs passed. */
  sleep(seen: number, timeoutMs: number): void {
    Atomics.add(this.words, SLEEPERS, 1);
    this.shared.futexWait(this.memory, this.sequenceOffset, seen, timeoutMs);
    Atomics.sub(this.words, SLEEPERS, 1);
  }

  /** Wakes every worker of this host, so that each looks at its message port. */
  wakeAll(): void {
    Atomics.add(this.words, SEQUENCE, 1);
    this.shared.futexWake(this.memory, this.sequenceOffset, 0x7fffffff);
  }

  private overflow(entry: number): Region | null {
    const byteLength = this.double(entry, OVERFLOW_BYTES);
    return byteLength === 0 ? null : { offset: this.double(entry, OVERFLOW_OFFSET), byteLength };
  }
}
