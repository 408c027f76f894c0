/** TensorMemory without the addon: a file in tmpfs that has no name, read and written with pread and pwrite. Views are copies. */
import { randomUUID } from 'node:crypto';
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, statfsSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TensorMemory } from '../contracts/arena.ts';
import type { Region } from '../contracts/tensor.ts';

class FileMemory implements TensorMemory {
  readonly kind = 'file';
  readonly fd: number;
  readonly byteLength: number;
  #ownsFd: boolean;

  constructor(fd: number, byteLength: number, ownsFd: boolean) {
    this.fd = fd;
    this.byteLength = byteLength;
    this.#ownsFd = ownsFd;
  }

  view(region: Region): Uint8Array<ArrayBuffer> {
    const bytes = this.stage(region);
    for (let done = 0; done < bytes.byteLength;) {
      const read = readSync(this.fd, bytes, done, bytes.byteLength - done, region.offset + done);
      if (read === 0) throw new RangeError(`the arena's file ends at byte ${String(region.offset + done)}`);
      done += read;
    }
    return bytes;
  }

  /** Not zeroed: the caller writes all of it. */
  stage(region: Region): Uint8Array<ArrayBuffer> {
    this.#check(region, region.byteLength);
    return new Uint8Array(Buffer.allocUnsafeSlow(region.byteLength).buffer);
  }

  publish(region: Region, staged: Uint8Array): void {
    this.#check(region, staged.byteLength);
    for (let done = 0; done < staged.byteLength;) {
      done += writeSync(this.fd, staged, done, staged.byteLength - done, region.offset + done);
    }
  }

  /** Closes the descriptor where this memory was created; an inherited one belongs to the process, whose other threads use it too. */
  close(): void {
    if (!this.#ownsFd) return;
    this.#ownsFd = false;
    closeSync(this.fd);
  }

  #check({ offset, byteLength }: Region, stagedBytes: number): void {
    const inside = Number.isSafeInteger(offset) && Number.isSafeInteger(byteLength) && offset >= 0 && byteLength >= 0
      && offset + byteLength <= this.byteLength && stagedBytes <= byteLength;
    if (!inside) throw new RangeError(`region ${String(offset)}+${String(byteLength)} with ${String(stagedBytes)} bytes lies outside an arena of ${String(this.byteLength)} bytes`);
  }
}

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Its name is gone before anybody could use it: nothing is left behind, whatever ends this process. */
function openUnnamed(folder: string): number {
  const file = path.join(folder, `sluice-${randomUUID()}`);
  const fd = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  unlinkSync(file);
  return fd;
}

/** In /dev/shm, or in the temporary folder where that has no room (containers give /dev/shm 64 MiB). Throws RangeError when neither has. */
export function createFileMemory(byteLength: number): TensorMemory {
  if (!Number.isSafeInteger(byteLength) || byteLength <= 0) throw new RangeError(`byteLength must be a positive whole number, not ${String(byteLength)}`);
  const attempts: string[] = [];
  for (const folder of new Set(['/dev/shm', tmpdir()])) {
    try {
      const free = freeBytes(folder);
      if (free >= byteLength) {
        const fd = openUnnamed(folder);
        ftruncateSync(fd, byteLength);
        return new FileMemory(fd, byteLength, true);
      }
      attempts.push(`${folder} has ${String(free)} bytes free`);
    } catch (error) {
      attempts.push(`${folder}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new RangeError(`no place for an arena of ${String(byteLength)} bytes: ${attempts.join('; ')}`);
}

export function openFileMemory(fd: number, byteLength: number): TensorMemory {
  const { size } = fstatSync(fd);
  if (size < byteLength) throw new RangeError(`descriptor ${String(fd)} has ${String(size)} bytes, not ${String(byteLength)}`);
  return new FileMemory(fd, byteLength, false);
}
