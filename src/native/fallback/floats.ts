/** Floats that JavaScript has no type for: binary16, and binary32 rounded from the decimal text itself, not from its double. */

const MAX_FLOAT32 = 3.4028234663852886e38;
const MIN_NORMAL_FLOAT32 = 2 ** -126;
const bits = new DataView(new ArrayBuffer(8));

/** Rounds half to even; |value| < 2^52. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** IEEE binary16 bits of a double, rounded once, half to even; infinity from 65520 on. */
export function halfFromDouble(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | roundHalfEven(magnitude * 2 ** 24);
  bits.setFloat64(0, magnitude);
  const exponent = (bits.getUint16(0) >>> 4) - 1023;
  return sign | (((exponent + 15) << 10) + roundHalfEven(magnitude * 2 ** (10 - exponent)) - 1024);
}

export function doubleFromHalf(half: number): number {
  const sign = (half & 0x8000) === 0 ? 1 : -1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (fraction + 1024) * 2 ** (exponent - 25));
}

/** Sign of (the decimal's magnitude − value), exactly. `value` is positive and finite. */
function compareDecimal(text: string, value: number): number {
  const [, whole = '', fraction = '', written = '0'] = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  let decimal = BigInt(whole + fraction);
  const exponent10 = Number(written) - fraction.length;
  bits.setFloat64(0, value);
  const biased = bits.getUint16(0) >>> 4;
  let binary = (bits.getBigUint64(0) & 0xfffffffffffffn) + (biased === 0 ? 0n : 1n << 52n);
  const exponent2 = Math.max(biased, 1) - 1075;
  if (exponent10 >= 0) decimal *= 10n ** BigInt(exponent10);
  else binary *= 10n ** BigInt(-exponent10);
  if (exponent2 >= 0) binary <<= BigInt(exponent2);
  else decimal <<= BigInt(-exponent2);
  return decimal < binary ? -1 : decimal > binary ? 1 : 0;
}

/** The two float32 around a positive double that is none itself. */
function neighbours(value: number): [number, number] {
  const near = Math.fround(value);
  bits.setFloat32(0, near === Infinity ? MAX_FLOAT32 : near);
  if (near === Infinity) return [MAX_FLOAT32, 2 ** 128];
  const pattern = bits.getUint32(0);
  bits.setUint32(0, near < value ? pattern + 1 : pattern - 1);
  const other = bits.getFloat32(0);
  return near < value ? [near, other === Infinity ? 2 ** 128 : other] : [other, near];
}

/**
 * float32 nearest to a decimal whose nearest double is `value`. Rounding twice goes wrong only where the double lies exactly
 * half way between two float32, one double in 2^29: there the decimal itself decides. `text` is asked for only then.
 */
export function float32FromDecimal(value: number, text: () => string): number {
  const magnitude = Math.abs(value);
  bits.setFloat64(0, value);
  const halfWayBits = (bits.getUint32(4) & 0x1fffffff) === 0x10000000;
  if (!halfWayBits && magnitude >= MIN_NORMAL_FLOAT32) return Math.fround(value);
  if (!Number.isFinite(value) || Math.fround(magnitude) === magnitude) return Math.fround(value);
  const [low, high] = neighbours(magnitude);
  if ((low + high) / 2 !== magnitude) return Math.fround(value);
  const side = compareDecimal(text(), magnitude);
  if (side === 0) return Math.fround(value);
  return Math.sign(value) * Math.fround(side < 0 ? low : high);
}
