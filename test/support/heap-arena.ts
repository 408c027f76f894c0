/** A tensor arena on the heap, for tests of the stages before the devices. Bytes of a released region are overwritten, so that late readers are caught. */
import type { ArenaUsage, TensorArena, TensorMemory } from '../../src/contracts/arena.ts';
import type { Lease, Region } from '../../src/contracts/tensor.ts';

const ALIGNMENT = 64;
const POISON = 0xee;

export class HeapArena implements TensorArena {
  readonly memory: TensorMemory;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #held = new Map<number, number>();
  /** Lanes asked for, in order. */
  readonly lanes: string[] = [];
  #top = 0;
  #used = 0;

  constructor(byteLength = 8 * 1024 * 1024) {
    const bytes = new Uint8Array(byteLength);
    const view = ({ offset, byteLength: length }: Region): Uint8Array<ArrayBuffer> => {
      if (offset + length > bytes.length) throw new RangeError('outside the arena');
      return bytes.subarray(offset, offset + length);
    };
    this.#bytes = bytes;
    this.memory = { kind: 'mapped', byteLength, fd: -1, view, stage: view, publish: () => undefined, close: () => undefined };
  }

  reserve(byteLength: number): Lease | null {
    const size = Math.ceil(Math.max(1, byteLength) / ALIGNMENT) * ALIGNMENT;
    if (this.#held.size === 0) this.#top = 0;
    if (this.#top + size > this.#bytes.length) return null;
    const offset = this.#top;
    this.#top += size;
    this.#used += size;
    this.#held.set(offset, size);
    return { region: { offset, byteLength }, release: () => this.#release(offset, size) };
  }

  reserveInLane(lane: string, byteLength: number): Lease | null {
    this.lanes.push(lane);
    return this.reserve(byteLength);
  }

  usage(): ArenaUsage {
    return { totalBytes: this.#bytes.length, usedBytes: this.#used, leases: this.#held.size };
  }

  generation(): number {
    return 0;
  }

  #release(offset: number, size: number): void {
    if (!this.#held.delete(offset)) throw new Error(`the region at ${String(offset)} was released twice`);
    this.#used -= size;
    this.#bytes.fill(POISON, offset, offset + size);
  }
}
