/** Makes and opens the memory behind an arena: mapped where the addon is, a file in tmpfs otherwise. */
import type { TensorMemory } from '../contracts/arena.ts';
import type { NativeModule } from '../native/contract.ts';
import { createFileMemory, openFileMemory } from './file-memory.ts';
import { createMappedMemory, openMappedMemory } from './mapped-memory.ts';

/** For the front, which owns it. `byteLength` > 0. Throws RangeError when the machine does not give that much. */
export function createMemory(native: NativeModule, byteLength: number): TensorMemory {
  return native.shared === null ? createFileMemory(byteLength) : createMappedMemory(native.shared, byteLength);
}

/** For a device host: `fd` is the inherited descriptor. Throws RangeError when it is not that memory, or when 'mapped' is opened without the addon. */
export function openMemory(kind: TensorMemory['kind'], fd: number, byteLength: number, native: NativeModule): TensorMemory {
  if (kind === 'file') return openFileMemory(fd, byteLength);
  if (native.shared === null) throw new RangeError('a mapped arena needs the native addon in every process');
  return openMappedMemory(native.shared, fd, byteLength);
}
