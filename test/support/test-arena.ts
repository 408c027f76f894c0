/** The real allocator over memory on the heap. What is released is overwritten, so that a read after it is seen. */
import { createArena } from '../../src/arena/arena.ts';
import type { ArenaUsage, TensorArena, TensorMemory } from '../../src/contracts/arena.ts';
import type { Lease, Region } from '../../src/contracts/tensor.ts';

const POISON = 0xee;

export class TestArena implements TensorArena {
  readonly memory: TensorMemory;
  readonly #arena: TensorArena;

  constructor(byteLength: number) {
    const bytes = new Uint8Array(new ArrayBuffer(byteLength)).fill(POISON);
    const view = ({ offset, byteLength: length }: Region): Uint8Array<ArrayBuffer> => {
      if (offset < 0 || length < 0 || offset + length > byteLength) throw new RangeError(`[${offset}, ${offset + length}) is outside the arena`);
      return bytes.subarray(offset, offset + length);
    };
    this.memory = { kind: 'mapped', byteLength, fd: -1, view, stage: view, publish: () => undefined, close: () => undefined };
    this.#arena = createArena(this.memory);
  }

  reserve(byteLength: number): Lease | null {
    return this.#poisoned(this.#arena.reserve(byteLength));
  }

  reserveInLane(lane: string, byteLength: number): Lease | null {
    return this.#poisoned(this.#arena.reserveInLane(lane, byteLength));
  }

  usage(): ArenaUsage {
    return this.#arena.usage();
  }

  generation(region: Region): number {
    return this.#arena.generation(region);
  }

  #poisoned(lease: Lease | null): Lease | null {
    if (lease === null) return null;
    return {
      region: lease.region,
      release: () => {
        lease.release();
        this.memory.view(lease.region).fill(POISON);
      },
    };
  }
}
