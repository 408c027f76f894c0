/** TensorMemory over a sealed memfd: one external ArrayBuffer per isolate, views without a copy. */
import { closeSync } from 'node:fs';
import type { TensorMemory } from '../contracts/arena.ts';
import type { Region } from '../contracts/tensor.ts';
import type { SharedMemory } from '../native/contract.ts';

class MappedMemory implements TensorMemory {
  readonly kind = 'mapped';
  readonly fd: number;
  /** All of it. Never transfer it: every view of this isolate would become empty. */
  readonly buffer: ArrayBuffer;
  #ownsFd: boolean;

  constructor(fd: number, buffer: ArrayBuffer, ownsFd: boolean) {
    this.fd = fd;
    this.buffer = buffer;
    this.#ownsFd = ownsFd;
  }

  get byteLength(): number {
    return this.buffer.byteLength;
  }

  /** V8 itself checks the bounds: RangeError. */
  view(region: Region): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.buffer, region.offset, region.byteLength);
  }

  stage(region: Region): Uint8Array<ArrayBuffer> {
    return this.view(region);
  }

  publish(): void {
    // staged bytes are the shared bytes
  }

  /**
   * Closes the descriptor where this memory was created; an inherited one belongs to the process, whose other threads use it too.
   * The mapping goes when the last view is collected, so that none is ever left dangling.
   */
  close(): void {
    if (!this.#ownsFd) return;
    this.#ownsFd = false;
    closeSync(this.fd);
  }
}

export function createMappedMemory(shared: SharedMemory, byteLength: number): TensorMemory {
  const { fd, buffer } = shared.create(byteLength);
  return new MappedMemory(fd, buffer, true);
}

export function openMappedMemory(shared: SharedMemory, fd: number, byteLength: number): TensorMemory {
  return new MappedMemory(fd, shared.map(fd, byteLength), false);
}
