/** Reads the elements of a tensor in place, whatever their alignment. */
import type { Datatype } from '../../contracts/tensor.ts';

type NumericDatatype = Exclude<Datatype, 'BYTES' | 'BOOL'>;

const READERS: Readonly<Record<NumericDatatype, (view: DataView, index: number) => number | bigint>> = {
  UINT8: (view, index) => view.getUint8(index),
  UINT16: (view, index) => view.getUint16(2 * index, true),
  UINT32: (view, index) => view.getUint32(4 * index, true),
  UINT64: (view, index) => view.getBigUint64(8 * index, true),
  INT8: (view, index) => view.getInt8(index),
  INT16: (view, index) => view.getInt16(2 * index, true),
  INT32: (view, index) => view.getInt32(4 * index, true),
  INT64: (view, index) => view.getBigInt64(8 * index, true),
  FP16: (view, index) => fromHalf(view.getUint16(2 * index, true)),
  FP32: (view, index) => view.getFloat32(4 * index, true),
  FP64: (view, index) => view.getFloat64(8 * index, true),
};

/** A function from an element's index to its value: bigint for the 64-bit integers. Null for BOOL and BYTES. */
export function numberReader(data: Uint8Array, datatype: Datatype): ((index: number) => number | bigint) | null {
  if (datatype === 'BYTES' || datatype === 'BOOL') return null;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const read = READERS[datatype];
  return (index) => read(view, index);
}

/** IEEE 754 binary16: 1 sign bit, 5 of exponent with bias 15, 10 of fraction. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
