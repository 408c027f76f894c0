/** One number or word of `data`, complete, to the bytes of its datatype. */
import type { Datatype } from '../../contracts/tensor.ts';
import { float32FromDecimal, halfFromDouble } from './floats.ts';
import { isJsonNumber, snippet } from './text.ts';

type IntegerType = 'UINT8' | 'UINT16' | 'UINT32' | 'UINT64' | 'INT8' | 'INT16' | 'INT32' | 'INT64';

const INTEGER_BOUNDS: Readonly<Record<IntegerType, readonly [bigint, bigint]>> = {
  UINT8: [0n, 255n], UINT16: [0n, 65535n], UINT32: [0n, 4294967295n], UINT64: [0n, 18446744073709551615n],
  INT8: [-128n, 127n], INT16: [-32768n, 32767n], INT32: [-2147483648n, 2147483647n], INT64: [-9223372036854775808n, 9223372036854775807n],
};

export function isInteger(datatype: Datatype): datatype is IntegerType {
  return datatype in INTEGER_BOUNDS;
}

export function isFloat(datatype: Datatype): datatype is 'FP16' | 'FP32' | 'FP64' {
  return datatype === 'FP16' || datatype === 'FP32' || datatype === 'FP64';
}

/** Bounds of an integer datatype as doubles: exact up to 32 bits, and the nearest doubles beyond. */
export function integerBounds(datatype: IntegerType): readonly [number, number] {
  const [low, high] = INTEGER_BOUNDS[datatype];
  return [Number(low), Number(high)];
}

/** Stores a whole number that fits; a safe integer for the 64-bit types. */
export function storeInteger(datatype: IntegerType, value: number | bigint, out: DataView, at: number): void {
  switch (datatype) {
    case 'UINT8': out.setUint8(at, Number(value)); break;
    case 'INT8': out.setInt8(at, Number(value)); break;
    case 'UINT16': out.setUint16(at, Number(value), true); break;
    case 'INT16': out.setInt16(at, Number(value), true); break;
    case 'UINT32': out.setUint32(at, Number(value), true); break;
    case 'INT32': out.setInt32(at, Number(value), true); break;
    case 'UINT64': out.setBigUint64(at, BigInt(value), true); break;
    case 'INT64': out.setBigInt64(at, BigInt(value), true); break;
  }
}

/**
 * Stores a finite number; `text` gives its decimal. False when it rounds to infinity.
 */
export function storeFloat(datatype: 'FP16' | 'FP32' | 'FP64', value: number, text: () => string, out: DataView, at: number): boolean {
  if (!Number.isFinite(value)) return false;
  if (datatype === 'FP64') {
    out.setFloat64(at, value, true);
    return true;
  }
  if (datatype === 'FP32') {
    const rounded = float32FromDecimal(value, text);
    out.setFloat32(at, rounded, true);
    return Number.isFinite(rounded);
  }
  const half = halfFromDouble(value);
  out.setUint16(at, half, true);
  return (half & 0x7fff) !== 0x7c00;
}

const SPECIALS: ReadonlyMap<string, number> = new Map(
  [NaN, Infinity, -Infinity].flatMap((value) => [[String(value), value], [`"${String(value)}"`, value]] as const),
);

function storeSpecial(datatype: 'FP16' | 'FP32' | 'FP64', value: number, out: DataView, at: number): void {
  if (datatype === 'FP64') out.setFloat64(at, value, true);
  else if (datatype === 'FP32') out.setFloat32(at, value, true);
  else out.setUint16(at, halfFromDouble(value), true);
}

/** Returns null, or what is wrong with the text. */
export function storeValue(datatype: Datatype, text: string, out: DataView, at: number): string | null {
  if (datatype === 'BYTES') return `${snippet(text)} is not a string`;
  if (datatype === 'BOOL') {
    const isTrue = text === 'true' || text === '1';
    if (!isTrue && text !== 'false' && text !== '0') return `${snippet(text)} is not true or false`;
    out.setUint8(at, isTrue ? 1 : 0);
    return null;
  }
  if (isFloat(datatype)) {
    const special = SPECIALS.get(text);
    if (special !== undefined) {
      storeSpecial(datatype, special, out, at);
      return null;
    }
    if (!isJsonNumber(text)) return `${snippet(text)} is not a number`;
    return storeFloat(datatype, Number(text), () => text, out, at) ? null : `${snippet(text)} is out of range for ${datatype}`;
  }
  if (!isJsonNumber(text)) return `${snippet(text)} is not a number`;
  if (/[.eE]/.test(text)) return `${snippet(text)} is not an integer`;
  const value = BigInt(text);
  const [low, high] = INTEGER_BOUNDS[datatype];
  if (value < low || value > high) return `${snippet(text)} is out of range for ${datatype}`;
  storeInteger(datatype, value, out, at);
  return null;
}
