/** Argument checks that the addon's wrapper and the fallback share: they throw what the contract allows for a bug of ours. */
import { DATATYPES, ELEMENT_BYTES, elementCount } from '../contracts/tensor.ts';
import type { Datatype } from '../contracts/tensor.ts';

const DATATYPE_INDEX: ReadonlyMap<string, number> = new Map(DATATYPES.map((datatype, index) => [datatype, index]));

/** Index of a datatype in DATATYPES, by which the addon knows it. Throws TypeError for an unknown one. */
export function datatypeIndex(datatype: Datatype): number {
  const index = DATATYPE_INDEX.get(datatype);
  if (index === undefined) throw new TypeError(`unknown datatype ${datatype}`);
  return index;
}

/** Elements of a target. Throws RangeError unless `bytes` holds exactly the tensor (BYTES: any size will do). */
export function checkTarget(bytes: Uint8Array, datatype: Datatype, shape: readonly number[]): number {
  datatypeIndex(datatype);
  const count = elementCount(shape);
  if (count === null) throw new RangeError(`[${shape.join(',')}] is not a shape`);
  const size = ELEMENT_BYTES[datatype];
  if (size !== null && bytes.byteLength !== count * size) {
    throw new RangeError(`a ${datatype} tensor of shape [${shape.join(',')}] has ${String(count * size)} bytes, the target ${String(bytes.byteLength)}`);
  }
  return count;
}

/** Throws RangeError unless the new target has more room than the old one. */
export function checkRegrow(next: Uint8Array, previous: Uint8Array): void {
  if (next.byteLength <= previous.byteLength) {
    throw new RangeError(`regrow() needs more than ${String(previous.byteLength)} bytes, not ${String(next.byteLength)}`);
  }
}

/** Longest printed element with its comma. FP64: JavaScript's own longest number has 25 characters. */
const PRINTED_BYTES: Readonly<Record<Exclude<Datatype, 'BYTES'>, number>> = {
  BOOL: 6, UINT8: 4, UINT16: 6, UINT32: 11, UINT64: 21, INT8: 5, INT16: 7, INT32: 12, INT64: 21, FP16: 16, FP32: 26, FP64: 26,
};

/** TensorPrinter.maxPrintedBytes: BYTES grow six times at worst (`\u0000`), and an element's length prefix covers its quotes and comma. */
export function maxPrintedBytes(data: Uint8Array, datatype: Datatype): number {
  if (datatype === 'BYTES') return 2 + 6 * data.byteLength;
  datatypeIndex(datatype);
  return 2 + (data.byteLength / (ELEMENT_BYTES[datatype] ?? 1)) * PRINTED_BYTES[datatype];
}
