/**
 * Free space of the arena: a buddy allocator over units of 4 KiB. A run of n units is cut from the smallest power of two that
 * holds it and the rest is given back at once: a tensor takes less than a unit too much, though two of 600 KB don't fit in 1.2 MB. Free blocks are reused last in,
 * first out, which keeps the memory that is hot in the caches in use. All bookkeeping is in typed arrays: no allocation per call.
 */
const NONE = -1;
const MIN_UNIT_BYTES = 4096;
/** Beyond 4 GiB units grow instead of the tables. */
const MAX_UNITS = 2 ** 20;

function floorLog2(value: number): number {
  return 31 - Math.clz32(value);
}

function ceilLog2(value: number): number {
  return value <= 1 ? 0 : floorLog2(value - 1) + 1;
}

export class BuddyAllocator {
  readonly unitBytes: number;
  readonly units: number;
  /** By unit: the order of the free block that begins there, or NONE. */
  readonly #freeOrder: Int8Array;
  /** Doubly linked lists of free blocks, one per order. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #heads: Int32Array;
  /** Bit n: there is a free block of order n. */
  #ordersFree = 0;
  #freeUnits = 0;

  /** What is less than a unit at the end is not used. Throws RangeError below one unit. */
  constructor(byteLength: number) {
    let unitBytes = MIN_UNIT_BYTES;
    while (byteLength / unitBytes > MAX_UNITS) unitBytes *= 2;
    this.unitBytes = unitBytes;
    this.units = Math.floor(byteLength / unitBytes);
    if (this.units < 1) throw new RangeError(`an arena needs at least ${String(MIN_UNIT_BYTES)} bytes, not ${String(byteLength)}`);
    this.#freeOrder = new Int8Array(this.units).fill(NONE);
    this.#next = new Int32Array(this.units).fill(NONE);
    this.#previous = new Int32Array(this.units).fill(NONE);
    this.#heads = new Int32Array(floorLog2(this.units) + 1).fill(NONE);
    this.free(0, this.units);
  }

  get freeUnits(): number {
    return this.#freeUnits;
  }

  /** First unit of a run of `units` > 0, or -1 when there is none. O(log n). */
  allocate(units: number): number {
    const wanted = ceilLog2(units);
    if (wanted >= this.#heads.length) return this.#allocateLongest(units);
    const fitting = this.#ordersFree & (-1 << wanted);
    if (fitting === 0) return -1;
    const order = floorLog2(fitting & -fitting);
    const start = this.#heads[order] ?? NONE;
    this.#unlink(start, order);
    this.#freeUnits -= 2 ** order;
    if (units < 2 ** order) this.free(start + units, 2 ** order - units);
    return start;
  }

  /** Gives back a run that allocate() returned (or a part of one), joining it with its free buddies. O(log n). */
  free(start: number, units: number): void {
    this.#freeUnits += units;
    const end = start + units;
    for (let at = start; at < end;) {
      const alignment = at === 0 ? 31 : floorLog2(at & -at);
      const order = Math.min(alignment, floorLog2(end - at));
      this.#freeBlock(at, order);
      at += 2 ** order;
    }
  }

  /** More than the largest power of two: only the whole arena at its beginning can hold that. */
  #allocateLongest(units: number): number {
    if (units > this.units || this.#freeUnits < this.units) return -1;
    let at = 0;
    while (at < this.units) {
      const order = this.#freeOrder[at] ?? 0;
      this.#unlink(at, order);
      at += 2 ** order;
    }
    this.#freeUnits = 0;
    if (units < this.units) this.free(units, this.units - units);
    return 0;
  }

  #freeBlock(start: number, order: number): void {
    let at = start;
    let level = order;
    while (level + 1 < this.#heads.length) {
      const buddy = at ^ (2 ** level);
      if (buddy >= this.units || this.#freeOrder[buddy] !== level) break;
      this.#unlink(buddy, level);
      at &= ~(2 ** level);
      level += 1;
    }
    const head = this.#heads[level] ?? NONE;
    this.#freeOrder[at] = level;
    this.#next[at] = head;
    this.#previous[at] = NONE;
    if (head !== NONE) this.#previous[head] = at;
    this.#heads[level] = at;
    this.#ordersFree |= 1 << level;
  }

  #unlink(at: number, order: number): void {
    const next = this.#next[at] ?? NONE;
    const previous = this.#previous[at] ?? NONE;
    if (previous === NONE) this.#heads[order] = next;
    else this.#next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
    if (this.#heads[order] === NONE) this.#ordersFree &= ~(1 << order);
    this.#freeOrder[at] = NONE;
  }
}
