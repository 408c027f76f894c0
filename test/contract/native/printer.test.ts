import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DATATYPES } from '../../../src/contracts/tensor.ts';
import type { Datatype } from '../../../src/contracts/tensor.ts';
import type { NativeModule } from '../../../src/native/contract.ts';
import { bytesOf, encodeBytes, modules, parseData } from './support.ts';

function print(module: NativeModule, data: Uint8Array, datatype: Datatype): string {
  const out = Buffer.alloc(module.printer.maxPrintedBytes(data, datatype) + 3);
  const end = module.printer.print(data, datatype, out, 3);
  if (end < 0) throw new Error(`print returned ${String(end)}`);
  return out.toString('utf8', 3, end);
}

/** Significant digits of a printed number. */
function digitsOf(text: string): number {
  return text.replace(/[eE].*$/, '').replace(/[^0-9]/g, '').replace(/^0+/, '').replace(/0+$/, '').length;
}

function fewestDigits32(value: number): number {
  for (let digits = 1; digits < 9; digits += 1) if (Math.fround(Number(value.toPrecision(digits))) === value) return digitsOf(value.toPrecision(digits));
  return 9;
}

describe.each(modules.map((module) => ({ kind: module.kind, module })))('printer on $kind', ({ module }) => {
  it.each([
    ['BOOL', Uint8Array.of(0, 1, 255), '[false,true,true]'],
    ['UINT8', Uint8Array.of(0, 255), '[0,255]'],
    ['INT8', Int8Array.of(-128, 127), '[-128,127]'],
    ['UINT16', Uint16Array.of(65535), '[65535]'],
    ['INT16', Int16Array.of(-32768, 32767), '[-32768,32767]'],
    ['UINT32', Uint32Array.of(4294967295), '[4294967295]'],
    ['INT32', Int32Array.of(-2147483648, 2147483647), '[-2147483648,2147483647]'],
    ['UINT64', BigUint64Array.of(18446744073709551615n, 9007199254740993n), '[18446744073709551615,9007199254740993]'],
    ['INT64', BigInt64Array.of(-9223372036854775808n, 9223372036854775807n), '[-9223372036854775808,9223372036854775807]'],
    ['FP32', Float32Array.of(0.1, 1, -2.5, 0, -0, 16777216), '[0.1,1,-2.5,0,-0,16777216]'],
    ['FP64', Float64Array.of(0.1, 1, -2.5, 0, -0), '[0.1,1,-2.5,0,-0]'],
    ['FP16', Uint16Array.of(0x2e66, 0x3c00, 0xc100, 0, 0x8000, 0x7bff, 1), '[0.1,1,-2.5,0,-0,65500,6e-08]'],
    ['FP32', Float32Array.of(NaN, Infinity, -Infinity), '["NaN","Infinity","-Infinity"]'],
    ['FP64', Float64Array.of(NaN, Infinity, -Infinity), '["NaN","Infinity","-Infinity"]'],
    ['FP16', Uint16Array.of(0x7e01, 0x7c00, 0xfc00), '["NaN","Infinity","-Infinity"]'],
  ] as const)('prints %s', (datatype, values, text) => {
    // JavaScript writes 6e-8 where C++ writes 6e-08; both are JSON, and the same number
    expect(print(module, bytesOf(values), datatype).replace('e-8', 'e-08')).toBe(text);
  });

  it('prints strings that JSON.parse gives back', () => {
    fc.assert(fc.property(fc.array(fc.string({ unit: 'binary' })), (values) => {
      fc.pre(values.every((value) => !/\p{Surrogate}/u.test(value)));
      expect(JSON.parse(print(module, encodeBytes(values), 'BYTES'))).toEqual(values);
    }));
    expect(print(module, encodeBytes(['a"\\\b\f\n\r\t\u0000\u001f/é😀\u007f']), 'BYTES')).toBe('["a\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f/é😀\u007f"]');
  });

  it('prints the shortest decimal that comes back to the same FP32', () => {
    fc.assert(fc.property(fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 }), (values) => {
      const floats = Float32Array.from(values);
      const text = print(module, bytesOf(floats), 'FP32');
      expect(parseData(module, text, 'FP32', [floats.length])).toEqual(bytesOf(floats));
      text.slice(1, -1).split(',').forEach((printed, i) => {
        // integers may be written out where that is no longer than an exponent
        if (!Number.isInteger(floats[i])) expect(digitsOf(printed)).toBeLessThanOrEqual(fewestDigits32(floats[i] ?? 0));
      });
    }), { numRuns: 500 });
  });

  it('prints FP64 so that JSON.parse gives it back, as short as JavaScript does', () => {
    fc.assert(fc.property(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true })), (values) => {
      const text = print(module, bytesOf(Float64Array.from(values)), 'FP64');
      expect(JSON.parse(text)).toEqual(values);
      if (values.length === 1 && !Number.isInteger(values[0])) expect(digitsOf(text)).toBe(digitsOf(JSON.stringify(values)));
    }), { numRuns: 500 });
  });

  it('prints every half so that it comes back', () => {
    const halves = Uint16Array.from(Array.from({ length: 0x7c00 }, (_, half) => half).flatMap((half) => [half, half | 0x8000]));
    expect(parseData(module, print(module, bytesOf(halves), 'FP16'), 'FP16', [halves.length])).toEqual(bytesOf(halves));
  });

  it('never needs more than maxPrintedBytes', () => {
    const worst: readonly (readonly [Datatype, Uint8Array])[] = [
      ['FP64', bytesOf(Float64Array.of(-2.2250738585072014e-308, -1.2345678901234567e-6, -123456789012345680000, -5e-324, -1.7976931348623157e308))],
      ['FP32', bytesOf(Float32Array.of(-1.17549435e-38, -1.2345679e-6, -1.2345679e20, -3.4028235e38, -1e-45))],
      ['FP16', bytesOf(Uint16Array.of(0x8001, 0x83ff, 0x8400, 0xfbff, 0xfc00, 0x9001))],
      ['UINT64', new Uint8Array(80).fill(255)], ['INT64', bytesOf(BigInt64Array.of(-9223372036854775808n))], ['BYTES', encodeBytes(['', '\u0000'.repeat(50), ''])],
      ['BOOL', new Uint8Array(5)], ['INT8', new Uint8Array(5).fill(128)], ['INT16', bytesOf(Int16Array.of(-32768))], ['INT32', bytesOf(Int32Array.of(-2147483648))],
    ];
    for (const [datatype, data] of worst) {
      expect(module.printer.print(data, datatype, new Uint8Array(module.printer.maxPrintedBytes(data, datatype)), 0)).toBeGreaterThan(0);
    }
    fc.assert(fc.property(fc.constantFrom(...DATATYPES.filter((datatype) => datatype !== 'BYTES')), fc.uint8Array({ minLength: 0, maxLength: 16 }), (datatype, bytes) => {
      const data = new Uint8Array(Buffer.concat(Array.from({ length: 8 }, () => bytes)));
      expect(module.printer.print(data, datatype, new Uint8Array(module.printer.maxPrintedBytes(data, datatype)), 0)).toBeGreaterThan(0);
    }));
  });

  it('says -1 at every size that is too small, and writes nothing beyond', () => {
    const cases: readonly (readonly [Datatype, Uint8Array])[] = [['FP32', bytesOf(Float32Array.of(1.5, NaN, -1e-30))], ['INT64', bytesOf(BigInt64Array.of(-5n, 77n))], ['BYTES', encodeBytes(['a\u0001é', ''])], ['BOOL', Uint8Array.of(1, 0)], ['FP16', bytesOf(Uint16Array.of(0x3555))], ['INT8', new Uint8Array(0)]];
    for (const [datatype, data] of cases) {
      const needed = print(module, data, datatype);
      const length = Buffer.byteLength(needed);
      for (let size = 0; size <= length; size += 1) {
        const out = new Uint8Array(size + 8).fill(7);
        const end = module.printer.print(data, datatype, out.subarray(0, size), 0);
        expect(end).toBe(size < length ? -1 : length);
        expect(out.subarray(size)).toEqual(new Uint8Array(8).fill(7));
      }
    }
  });

  it('says -2 for BYTES that are not UTF-8', () => {
    for (const bytes of [[0x80], [0xc3], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x61, 0xff]]) {
      expect(module.printer.print(encodeBytes(['ok', Uint8Array.from(bytes)]), 'BYTES', new Uint8Array(100), 0)).toBe(-2);
    }
  });

  it('throws RangeError for what is no tensor', () => {
    const out = new Uint8Array(100);
    expect(() => module.printer.print(new Uint8Array(3), 'FP32', out, 0)).toThrow(RangeError);
    for (const data of [Uint8Array.of(1, 0, 0), Uint8Array.of(2, 0, 0, 0, 65), Uint8Array.of(255, 255, 255, 255, 0)]) expect(() => module.printer.print(data, 'BYTES', out, 0)).toThrow(RangeError);
    expect(() => module.printer.print(new Uint8Array(4), 'FP32', out, 101)).toThrow(RangeError);
  });
});
