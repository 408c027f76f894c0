/** The pure-TypeScript TensorPrinter. */
import { isUtf8 } from 'node:buffer';
import { ELEMENT_BYTES } from '../../contracts/tensor.ts';
import type { Datatype } from '../../contracts/tensor.ts';
import { maxPrintedBytes } from '../checks.ts';
import type { TensorPrinter } from '../contract.ts';
import { doubleFromHalf, halfFromDouble } from './floats.ts';
import { asBuffer } from './text.ts';

const DOES_NOT_FIT = -1;
const INVALID_UTF8 = -2;
const LENGTH_BYTES = 4;
/** Elements that are joined into one string at a time. */
const BLOCK_ELEMENTS = 4096;

/** The fewest digits of `value` that come back to the same float; `max` digits always do. */
function shortest(value: number, max: number, comesBack: (value: number) => boolean): string {
  if (value === 0) return printNumber(value);
  for (let digits = 1; digits < max; digits += 1) {
    const candidate = Number(value.toPrecision(digits));
    if (comesBack(candidate)) return printNumber(candidate);
  }
  return printNumber(Number(value.toPrecision(max)));
}

/** `-0` keeps its sign. */
function printNumber(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

function printFloat(value: number, print: (finite: number) => string): string {
  return Number.isFinite(value) ? print(value) : `"${String(value)}"`;
}

function printFloat32(value: number): string {
  return Number.isSafeInteger(value) && Math.abs(value) < 2 ** 24 ? printNumber(value) : shortest(value, 9, (candidate) => Math.fround(candidate) === value);
}

function printFloat16(value: number): string {
  const half = halfFromDouble(value);
  return shortest(value, 5, (candidate) => halfFromDouble(candidate) === half);
}

function printElement(view: DataView, datatype: Exclude<Datatype, 'BYTES'>, at: number): string {
  switch (datatype) {
    case 'BOOL': return view.getUint8(at) === 0 ? 'false' : 'true';
    case 'UINT8': return String(view.getUint8(at));
    case 'INT8': return String(view.getInt8(at));
    case 'UINT16': return String(view.getUint16(at, true));
    case 'INT16': return String(view.getInt16(at, true));
    case 'UINT32': return String(view.getUint32(at, true));
    case 'INT32': return String(view.getInt32(at, true));
    case 'UINT64': return String(view.getBigUint64(at, true));
    case 'INT64': return String(view.getBigInt64(at, true));
    case 'FP16': return printFloat(doubleFromHalf(view.getUint16(at, true)), printFloat16);
    case 'FP32': return printFloat(view.getFloat32(at, true), printFloat32);
    case 'FP64': return printFloat(view.getFloat64(at, true), printNumber);
  }
}

/** Appends text to `out`, and refuses, rather than cuts, what does not fit. */
class Writer {
  readonly #out: Buffer;
  #at: number;

  constructor(out: Uint8Array, at: number) {
    this.#out = asBuffer(out);
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  put(text: string): boolean {
    if (Buffer.byteLength(text) > this.#out.byteLength - this.#at) return false;
    this.#at += this.#out.write(text, this.#at);
    return true;
  }
}

function printFixed(data: Uint8Array, datatype: Exclude<Datatype, 'BYTES'>, out: Uint8Array, at: number): number {
  const size = ELEMENT_BYTES[datatype] ?? 1;
  if (data.byteLength % size !== 0) throw new RangeError('data is not a whole number of elements');
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const writer = new Writer(out, at);
  if (!writer.put('[')) return DOES_NOT_FIT;
  for (let start = 0; start < data.byteLength; start += BLOCK_ELEMENTS * size) {
    const end = Math.min(data.byteLength, start + BLOCK_ELEMENTS * size);
    let block = start === 0 ? '' : ',';
    for (let i = start; i < end; i += size) block += (i > start ? ',' : '') + printElement(view, datatype, i);
    if (!writer.put(block)) return DOES_NOT_FIT;
  }
  return writer.put(']') ? writer.at : DOES_NOT_FIT;
}

function printBytes(data: Uint8Array, out: Uint8Array, at: number): number {
  const buffer = asBuffer(data);
  const writer = new Writer(out, at);
  if (!writer.put('[')) return DOES_NOT_FIT;
  for (let i = 0; i < buffer.byteLength;) {
    const from = i + LENGTH_BYTES;
    const to = from <= buffer.byteLength ? from + buffer.readUInt32LE(i) : Infinity;
    if (to > buffer.byteLength) throw new RangeError('data is not a whole number of elements');
    const element = buffer.subarray(from, to);
    if (!isUtf8(element)) return INVALID_UTF8;
    if (!writer.put((i > 0 ? ',' : '') + JSON.stringify(element.toString()))) return DOES_NOT_FIT;
    i = to;
  }
  return writer.put(']') ? writer.at : DOES_NOT_FIT;
}

export const fallbackPrinter: TensorPrinter = {
  print(data, datatype, out, at) {
    if (!Number.isInteger(at) || at < 0 || at > out.byteLength) throw new RangeError(`at must be a whole number from 0 to ${String(out.byteLength)}`);
    return datatype === 'BYTES' ? printBytes(data, out, at) : printFixed(data, datatype, out, at);
  },
  maxPrintedBytes,
};
