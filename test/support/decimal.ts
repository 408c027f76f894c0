/** Exact reference for float32 parsing: compares the decimal with float32 values as fractions of big integers. */

interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

const view = new DataView(new ArrayBuffer(8));

function fractionOfDecimal(text: string): Fraction {
  const [, whole = '', fraction = '', exponent = '0'] = /^(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const power = Number(exponent) - fraction.length;
  const digits = BigInt(whole + fraction);
  return power >= 0 ? { numerator: digits * 10n ** BigInt(power), denominator: 1n } : { numerator: digits, denominator: 10n ** BigInt(-power) };
}

/** Patterns 0 … 0x7f800000 are the non-negative float32 in order; the last stands for 2^128. In units of 2^-149. */
function scaled(pattern: number): bigint {
  const exponent = pattern >>> 23;
  const fraction = BigInt(pattern & 0x7fffff);
  return exponent === 0 ? fraction : (fraction + 0x800000n) << BigInt(exponent - 1);
}

/** The float32 nearest to a decimal, ties to even; Infinity from half way between the largest and 2^128. */
export function nearestFloat32(text: string): number {
  const negative = text.startsWith('-');
  const { numerator, denominator } = fractionOfDecimal(negative ? text.slice(1) : text);
  const target = numerator << 149n; // over `denominator`, in units of 2^-149
  let low = 0;
  let high = 0x7f800000;
  if (target >= scaled(high) * denominator) low = high;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (scaled(middle) * denominator <= target) low = middle;
    else high = middle;
  }
  let pattern = low;
  if (low < 0x7f800000) {
    const below = target - scaled(low) * denominator;
    const above = scaled(low + 1) * denominator - target;
    if (above < below || (above === below && low % 2 === 1)) pattern = low + 1;
  }
  view.setUint32(0, pattern);
  return negative ? -view.getFloat32(0) : view.getFloat32(0);
}
