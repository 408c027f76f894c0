/**
 * The tensor arena: memory that the front and every device host share. The front owns it: it alone reserves and frees.
 * Two forms: 'mapped' (a sealed memfd, from the addon; views are live) and 'file' (tmpfs, pread/pwrite; views are copies).
 */
import type { Lease, Region } from './tensor.ts';

/** Raw memory, as each process sees it. Implemented by src/native (mapped) and its fallback (file). */
export interface TensorMemory {
  readonly kind: 'mapped' | 'file';
  readonly byteLength: number;
  /** Descriptor that a child inherits through `stdio`. */
  readonly fd: number;
  /** Bytes of a region. mapped: live, no copy. file: a copy of what is there now. Throws RangeError outside the arena. */
  view(region: Region): Uint8Array<ArrayBuffer>;
  /** Where to write a region: mapped: the same live view; file: a scratch buffer that `publish` stores. */
  stage(region: Region): Uint8Array<ArrayBuffer>;
  /** Makes staged bytes visible to other processes. mapped: nothing to do. */
  publish(region: Region, staged: Uint8Array): void;
  close(): void;
}

export interface ArenaUsage {
  readonly totalBytes: number;
  readonly usedBytes: number;
  readonly leases: number;
}

/** The front's allocator. Backpressure is its return value: null means full, and nothing is allocated elsewhere. */
export interface TensorArena {
  readonly memory: TensorMemory;
  /** 64-byte aligned. Null when no space is left. */
  reserve(byteLength: number): Lease | null;
  /**
   * Like reserve, but consecutive calls with one `lane` get neighbouring places, so that the rows of a batch lie together.
   * A lane names one input of one model at one row shape; `byteLength` is rows × bytes of a row.
   */
  reserveInLane(lane: string, byteLength: number): Lease | null;
  usage(): ArenaUsage;
  /** The generation of the slab under a region: it rises each time the slab is reused. */
  generation(region: Region): number;
}
