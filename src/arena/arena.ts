/** The front's allocator of tensor memory: slabs with generations, and lanes whose tensors lie next to each other. */
import type { ArenaUsage, TensorArena, TensorMemory } from '../contracts/arena.ts';
import type { Lease, Region } from '../contracts/tensor.ts';
import { BuddyAllocator } from './buddy.ts';

/** A lane's block holds at least this many tensors like its first: more than the batches that pay on a CPU (4). */
const LANE_TENSORS = 8;
const MIN_LANE_CAP_BYTES = 2 ** 20;
/** One open block may not take more than this part of the arena. */
const LANE_CAP_FRACTION = 64;

/** What is allocated and freed as one: a tensor, or a lane's block with many. */
interface Slab {
  readonly unit: number;
  readonly units: number;
  leases: number;
  /** The lane that still fills it; null when it is closed. */
  lane: string | null;
  /** Lanes: where the next tensor goes, and where the block ends. */
  cursor: number;
  readonly end: number;
}

class SlabLease implements Lease {
  readonly region: Region;
  #slab: Slab | null;
  readonly #owner: Arena;

  constructor(owner: Arena, region: Region, slab: Slab) {
    this.#owner = owner;
    this.region = region;
    this.#slab = slab;
  }

  release(): void {
    if (this.#slab === null) throw new Error(`the lease of ${String(this.region.byteLength)} bytes at ${String(this.region.offset)} was released twice`);
    const slab = this.#slab;
    this.#slab = null;
    this.#owner.release(slab);
  }
}

class Arena implements TensorArena {
  readonly memory: TensorMemory;
  readonly #space: BuddyAllocator;
  /** By unit: of the slab that covers it, or covered it last. */
  readonly #generations: Uint32Array;
  #lastGeneration = 0;
  readonly #lanes = new Map<string, Slab>();
  readonly #laneCapBytes: number;
  #leases = 0;

  constructor(memory: TensorMemory) {
    this.memory = memory;
    this.#space = new BuddyAllocator(memory.byteLength);
    this.#generations = new Uint32Array(this.#space.units);
    this.#laneCapBytes = Math.max(MIN_LANE_CAP_BYTES, memory.byteLength / LANE_CAP_FRACTION);
  }

  reserve(byteLength: number): Lease | null {
    this.#check(byteLength);
    const slab = this.#allocate(byteLength);
    return slab === null ? null : this.#lease(slab, slab.cursor, byteLength);
  }

  reserveInLane(lane: string, byteLength: number): Lease | null {
    this.#check(byteLength);
    const open = this.#lanes.get(lane);
    if (open !== undefined) {
      if (open.end - open.cursor >= byteLength) return this.#carve(open, byteLength);
      open.lane = null;
      this.#lanes.delete(lane);
    }
    const blockBytes = this.#laneBlockBytes(byteLength);
    const slab = blockBytes > byteLength ? this.#allocate(blockBytes) : null;
    if (slab === null) return this.reserve(byteLength);
    slab.lane = lane;
    this.#lanes.set(lane, slab);
    return this.#carve(slab, byteLength);
  }

  usage(): ArenaUsage {
    const { units, unitBytes, freeUnits } = this.#space;
    return { totalBytes: units * unitBytes, usedBytes: (units - freeUnits) * unitBytes, leases: this.#leases };
  }

  /** Modulo 2^32; throws RangeError outside the arena. */
  generation(region: Region): number {
    const generation = this.#generations[Math.floor(region.offset / this.#space.unitBytes)];
    if (generation === undefined) throw new RangeError(`offset ${String(region.offset)} lies outside the arena`);
    return generation;
  }

  release(slab: Slab): void {
    this.#leases -= 1;
    slab.leases -= 1;
    if (slab.leases > 0) return;
    if (slab.lane !== null) {
      this.#lanes.delete(slab.lane);
      slab.lane = null;
    }
    if (slab.units > 0) this.#space.free(slab.unit, slab.units);
  }

  #check(byteLength: number): void {
    if (!Number.isSafeInteger(byteLength) || byteLength < 0) throw new RangeError(`byteLength must be a whole number from 0 on, not ${String(byteLength)}`);
  }

  /** The next power of two that holds LANE_TENSORS, within the cap; 0 where a block would hold no second tensor. */
  #laneBlockBytes(byteLength: number): number {
    if (byteLength === 0 || byteLength * 2 > this.#laneCapBytes) return 0;
    return Math.min(this.#laneCapBytes, 2 ** Math.ceil(Math.log2(byteLength * LANE_TENSORS)));
  }

  #allocate(byteLength: number): Slab | null {
    const { unitBytes, units: totalUnits } = this.#space;
    const units = Math.ceil(byteLength / unitBytes);
    if (units === 0) return { unit: 0, units: 0, leases: 0, lane: null, cursor: 0, end: 0 };
    const unit = units > totalUnits ? -1 : this.#space.allocate(units);
    if (unit < 0) return null;
    this.#lastGeneration = (this.#lastGeneration + 1) >>> 0;
    this.#generations.fill(this.#lastGeneration, unit, unit + units);
    const start = unit * unitBytes;
    return { unit, units, leases: 0, lane: null, cursor: start, end: start + units * unitBytes };
  }

  #carve(slab: Slab, byteLength: number): Lease {
    const offset = slab.cursor;
    slab.cursor += byteLength;
    return this.#lease(slab, offset, byteLength);
  }

  #lease(slab: Slab, offset: number, byteLength: number): Lease {
    slab.leases += 1;
    this.#leases += 1;
    return new SlabLease(this, { offset, byteLength }, slab);
  }
}

/** An arena over memory that this process owns. Throws RangeError below 4 KiB. */
export function createArena(memory: TensorMemory): TensorArena {
  return new Arena(memory);
}
