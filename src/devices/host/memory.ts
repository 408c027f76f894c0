/** The arena as a device host sees it, through an inherited descriptor: mapped where the addon is there, else read and written. */
import { readSync, writeSync } from 'node:fs';
import type { TensorMemory } from '../../contracts/arena.ts';
import type { Region } from '../../contracts/tensor.ts';
import type { SharedMemory } from '../../native/contract.ts';

/** Mapped memory and its buffer, which the ring lies in. The mapping ends with the thread. */
export function mapMemory(shared: SharedMemory, fd: number, byteLength: number): { readonly memory: TensorMemory; readonly buffer: ArrayBuffer } {
  const buffer = shared.map(fd, byteLength);
  const view = (region: Region): Uint8Array<ArrayBuffer> => new Uint8Array(buffer, region.offset, region.byteLength);
  return { buffer, memory: { kind: 'mapped', byteLength, fd, view, stage: view, publish: () => undefined, close: () => undefined } };
}

/** A file (tmpfs): views are copies of what stands there now. */
export function fileMemory(fd: number, byteLength: number): TensorMemory {
  const stage = (region: Region): Uint8Array<ArrayBuffer> => {
    if (region.offset < 0 || region.byteLength < 0 || region.offset + region.byteLength > byteLength) throw new RangeError(`[${region.offset}, ${region.offset + region.byteLength}) lies outside the arena`);
    return new Uint8Array(region.byteLength);
  };
  return {
    kind: 'file',
    byteLength,
    fd,
    stage,
    view(region) {
      const bytes = stage(region);
      for (let done = 0; done < bytes.byteLength; ) {
        const count = readSync(fd, bytes, done, bytes.byteLength - done, region.offset + done);
        if (count === 0) throw new RangeError(`the arena file ends before ${region.offset + done}`);
        done += count;
      }
      return bytes;
    },
    publish(region, staged) {
      for (let done = 0; done < staged.byteLength; ) done += writeSync(fd, staged, done, staged.byteLength - done, region.offset + done);
    },
    close: () => undefined,
  };
}
