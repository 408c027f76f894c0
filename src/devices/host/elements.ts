/** Bytes in the arena ↔ what the engine takes and gives: typed arrays (views, no copy) and strings for BYTES. */
import { ELEMENT_BYTES, type Datatype } from '../../contracts/tensor.ts';
import type { Elements } from './engine.ts';

const TYPED = {
  BOOL: Uint8Array, UINT8: Uint8Array, UINT16: Uint16Array, UINT32: Uint32Array, UINT64: BigUint64Array, INT8: Int8Array,
  INT16: Int16Array, INT32: Int32Array, INT64: BigInt64Array, FP16: Uint16Array, FP32: Float32Array, FP64: Float64Array,
} as const;

/** A client's mistake in a BYTES tensor that only shows when it is turned into strings. */
export class ElementError extends Error {}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The elements of a tensor over the same memory; BYTES are decoded. `bytes` must start at a multiple of the element's size.
 * Throws ElementError where a BYTES element is no valid text: ORT itself would cut it at a NUL or replace characters.
 */
export function elementsOf(datatype: Datatype, bytes: Uint8Array<ArrayBuffer>): Elements {
  if (datatype === 'BYTES') return decodeStrings(bytes);
  return new TYPED[datatype](bytes.buffer, bytes.byteOffset, bytes.byteLength / (ELEMENT_BYTES[datatype] ?? 1));
}

/** Strings of a run of (uint32 length, bytes). */
export function decodeStrings(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const strings: string[] = [];
  for (let at = 0; at < bytes.byteLength; ) {
    const end = at + 4 <= bytes.byteLength ? at + 4 + view.getUint32(at, true) : Infinity;
    if (end > bytes.byteLength) throw new ElementError(`element ${strings.length} of a BYTES tensor reaches beyond its end`);
    const text = bytes.subarray(at + 4, end);
    if (text.includes(0)) throw new ElementError(`element ${strings.length} has a NUL byte; the runtime cannot carry it`);
    try {
      strings.push(utf8.decode(text));
    } catch (cause) {
      throw new ElementError(`element ${strings.length} is not valid UTF-8`, { cause });
    }
    at = end;
  }
  return strings;
}

function isStrings(data: Elements): data is readonly string[] {
  return Array.isArray(data);
}

/** Bytes that `data` takes in the arena. */
export function encodedBytes(data: Elements): number {
  return isStrings(data) ? data.reduce((sum, text) => sum + 4 + Buffer.byteLength(text), 0) : data.byteLength;
}

/** Writes `data` as the arena keeps it. `out` has exactly encodedBytes(data). */
export function encodeElements(data: Elements, out: Uint8Array<ArrayBuffer>): void {
  if (!isStrings(data)) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return;
  }
  const buffer = Buffer.from(out.buffer, out.byteOffset, out.byteLength);
  let at = 0;
  for (const text of data) {
    const byteLength = buffer.write(text, at + 4, 'utf8');
    buffer.writeUInt32LE(byteLength, at);
    at += 4 + byteLength;
  }
}
