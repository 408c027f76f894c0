/**
 * The fallback's fast path: numbers one after another, as long as each lies whole in this chunk and is what it should be.
 * It stops, with nothing lost, before anything else; TensorReader's states take over and find the fault if there is one.
 */
import { ELEMENT_BYTES } from '../../contracts/tensor.ts';
import type { Datatype } from '../../contracts/tensor.ts';
import { CLOSE_ARRAY, COMMA, isDelimiter, isSpace } from './text.ts';
import type { Input } from './text.ts';
import { integerBounds, isFloat, isInteger, storeFloat, storeInteger } from './values.ts';

const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
/** Up to 15 digits are exact in a double, and so is dividing by a power of ten up to 10^22 (rounded once). */
const MAX_EXACT_DIGITS = 15;
const POWERS_OF_TEN = Array.from({ length: 23 }, (_, power) => 10 ** power);
const MAX_NUMBER_BYTES = 32;

/** What scan() found: the number, whether it had a fraction, and where it ended. */
interface Scanned {
  end: number;
  value: number;
  whole: boolean;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39;
}

/** Reads `-?digits(.digits)?` exactly as JSON allows it. False for anything else (exponents too), or when it is long. */
function scan(bytes: Buffer, from: number, end: number, found: Scanned): boolean {
  let p = from;
  const negative = bytes[p] === MINUS;
  if (negative) p += 1;
  const first = p;
  let mantissa = 0;
  let byte = 0;
  for (; p < end && isDigit((byte = bytes[p] ?? 0)); p += 1) mantissa = mantissa * 10 + (byte - ZERO);
  let digits = p - first;
  if (digits === 0 || (digits > 1 && bytes[first] === ZERO)) return false;
  let fraction = 0;
  if (p < end && byte === DOT) {
    p += 1;
    const start = p;
    for (; p < end && isDigit((byte = bytes[p] ?? 0)); p += 1) mantissa = mantissa * 10 + (byte - ZERO);
    fraction = p - start;
    if (fraction === 0) return false;
    digits += fraction;
  }
  if (p === end || !isDelimiter(byte) || p - from > MAX_NUMBER_BYTES) return false;
  found.end = p;
  found.whole = fraction === 0;
  if (digits <= MAX_EXACT_DIGITS) {
    const value = mantissa / (POWERS_OF_TEN[fraction] ?? NaN);
    found.value = negative ? -value : value;
  } else {
    found.value = Number(bytes.toString('latin1', from, p));
  }
  return true;
}

/**
 * Reads at most `room` values into `out` from `at`. `ended`: the last one was followed by white space or `]`, which is not
 * consumed; otherwise its comma is.
 */
export function readRun(input: Input, datatype: Datatype, room: number, out: DataView, at: number): { entries: number; ended: boolean } {
  const integer = isInteger(datatype);
  if (!integer && !isFloat(datatype)) return { entries: 0, ended: false };
  const [low, high] = integer ? integerBounds(datatype) : [-Infinity, Infinity];
  const elementBytes = ELEMENT_BYTES[datatype] ?? 0;
  const { bytes, end } = input;
  const found: Scanned = { end: 0, value: 0, whole: false };
  let entries = 0;
  while (entries < room) {
    let from = input.p;
    while (from < end && isSpace(bytes[from] ?? 0)) from += 1;
    if (!scan(bytes, from, end, found)) break;
    const delimiter = bytes[found.end] ?? 0;
    if (delimiter !== COMMA && delimiter !== CLOSE_ARRAY && !isSpace(delimiter)) break;
    const { value, end: after } = found;
    const position = at + entries * elementBytes;
    if (integer) {
      if (!found.whole || !Number.isSafeInteger(value) || value < low || value > high) break;
      storeInteger(datatype, value, out, position);
    } else if (!storeFloat(datatype, value, () => bytes.toString('latin1', from, after), out, position)) break;
    entries += 1;
    input.p = delimiter === COMMA ? after + 1 : after;
    if (delimiter !== COMMA) return { entries, ended: true };
  }
  return { entries, ended: false };
}
