import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Datatype } from '../../../src/contracts/tensor.ts';
import { nearestFloat32 } from '../../support/decimal.ts';
import { bytesOf, dataStart, encodeBytes, modules, parseData } from './support.ts';

const INTEGERS: readonly { datatype: Datatype; low: bigint; high: bigint; encode: (values: bigint[]) => ArrayBufferView }[] = [
  { datatype: 'UINT8', low: 0n, high: 255n, encode: (values) => Uint8Array.from(values.map(Number)) },
  { datatype: 'UINT16', low: 0n, high: 65535n, encode: (values) => Uint16Array.from(values.map(Number)) },
  { datatype: 'UINT32', low: 0n, high: 4294967295n, encode: (values) => Uint32Array.from(values.map(Number)) },
  { datatype: 'UINT64', low: 0n, high: 18446744073709551615n, encode: (values) => BigUint64Array.from(values) },
  { datatype: 'INT8', low: -128n, high: 127n, encode: (values) => Int8Array.from(values.map(Number)) },
  { datatype: 'INT16', low: -32768n, high: 32767n, encode: (values) => Int16Array.from(values.map(Number)) },
  { datatype: 'INT32', low: -2147483648n, high: 2147483647n, encode: (values) => Int32Array.from(values.map(Number)) },
  { datatype: 'INT64', low: -9223372036854775808n, high: 9223372036854775807n, encode: (values) => BigInt64Array.from(values) },
];
const FLOATS = ['FP16', 'FP32', 'FP64'] as const;
const splits = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 });

function float32Of(bytes: unknown): number {
  if (!(bytes instanceof Uint8Array)) throw new Error(`not parsed: ${JSON.stringify(bytes)}`);
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
}

describe.each(modules.map((module) => ({ kind: module.kind, module })))('values on $kind', ({ module }) => {
  describe.each(INTEGERS)('$datatype', ({ datatype, low, high, encode }) => {
    it('takes its bounds exactly', () => {
      const values = [low, high, 0n, low + 1n, high - 1n];
      expect(parseData(module, `[${values.join(',')}]`, datatype, [5])).toEqual(bytesOf(encode(values)));
    });

    it.each([low - 1n, high + 1n, high * 1000n, -(10n ** 30n), 10n ** 30n])('refuses %s as out of range', (value) => {
      expect(parseData(module, `[0, ${String(value)}]`, datatype, [2])).toEqual({
        position: dataStart(datatype, [2]) + 4, message: `${String(value)} is out of range for ${datatype}`, input: 0,
      });
    });

    it.each(['1.0', '1.5', '1e2', '-0.0', '0E0'])('refuses %s: not written as an integer', (text) => {
      expect(parseData(module, `[${text}]`, datatype, [1])).toMatchObject({ message: `${text} is not an integer` });
    });

    it('reads -0 as 0', () => {
      expect(parseData(module, '[-0]', datatype, [1])).toEqual(bytesOf(encode([0n])));
    });

    it('reads any values in any split', () => {
      fc.assert(fc.property(fc.array(fc.bigInt({ min: low, max: high }), { minLength: 1 }), splits, (values, sizes) => {
        expect(parseData(module, `[${values.join(' , ')}]`, datatype, [values.length], sizes)).toEqual(bytesOf(encode(values)));
      }));
    });

    it.each(['"NaN"', 'NaN', 'Infinity', 'true', 'null'])('refuses %s', (text) => {
      expect(parseData(module, `[${text}]`, datatype, [1])).toMatchObject({ position: dataStart(datatype, [1]) + 1, message: `${text} is not a number` });
    });
  });

  it.each(['+1', '1.', '.5', '01', '-01', '00', '0x10', '1e', '1e+', '-', '--1', '1.e5', '1_0', 'abc', 'null', 'true', 'nan', 'inf', '-NaN', '+Infinity', '1.5.2', '1e5e5', '٣'])(
    'refuses %s as JSON does, in every datatype that is not BYTES', (text) => {
      for (const datatype of [...INTEGERS.map((integer) => integer.datatype), ...FLOATS]) {
        const shown = text === '٣' ? '??' : text;
        for (const sizes of [[], [1]]) {
          expect(parseData(module, `[${text}]`, datatype, [1], sizes)).toEqual({ position: dataStart(datatype, [1]) + 1, message: `${shown} is not a number`, input: 0 });
        }
      }
    });

  it('refuses strings with their beginning', () => {
    expect(parseData(module, '["abc"]', 'FP32', [1])).toMatchObject({ message: '"abc" is not a number' });
    expect(parseData(module, `["${'z'.repeat(500)}"]`, 'INT8', [1])).toMatchObject({ message: `"${'z'.repeat(31)}... is not a number` });
    expect(parseData(module, '["a\\"b"]', 'FP32', [1])).toMatchObject({ message: '"a\\"b" is not a number' });
  });

  it.each([['NaN', NaN], ['Infinity', Infinity], ['-Infinity', -Infinity]] as const)('takes %s, bare and as a string, for floats only', (text, value) => {
    const halves = new Map([[NaN, 0x7e00], [Infinity, 0x7c00], [-Infinity, 0xfc00]]);
    for (const shown of [text, `"${text}"`]) {
      for (const sizes of [[], [1], [3]]) {
        expect(parseData(module, `[${shown}]`, 'FP64', [1], sizes)).toEqual(bytesOf(Float64Array.of(value)));
        expect(parseData(module, `[${shown}]`, 'FP32', [1], sizes)).toEqual(bytesOf(Float32Array.of(value)));
        expect(parseData(module, `[${shown}]`, 'FP16', [1], sizes)).toEqual(bytesOf(Uint16Array.of(halves.get(value) ?? 0)));
      }
      expect(parseData(module, `[${shown}]`, 'BOOL', [1])).toMatchObject({ message: `${shown} is not true or false` });
    }
  });

  it('reads BOOL as true, false, 1 and 0', () => {
    expect(parseData(module, '[true,false,1,0]', 'BOOL', [4], [1])).toEqual(Uint8Array.of(1, 0, 1, 0));
    for (const text of ['2', 'True', '"true"', '1.0', 'null']) expect(parseData(module, `[${text}]`, 'BOOL', [1])).toMatchObject({ message: `${text} is not true or false` });
  });

  it.each([
    ['FP16', '65520'], ['FP16', '-1e5'], ['FP16', '1e999'], ['FP32', '3.4028236e38'], ['FP32', '-1e39'], ['FP32', '1e99999999999999999999'],
    ['FP64', '1e309'], ['FP64', `1${'0'.repeat(309)}`], ['FP64', '17976931348623159e292'],
  ] as const)('%s: %s is out of range, not infinite', (datatype, text) => {
    const shown = text.length > 32 ? `${text.slice(0, 32)}...` : text;
    for (const sizes of [[], [1]]) expect(parseData(module, `[${text}]`, datatype, [1], sizes)).toMatchObject({ message: `${shown} is out of range for ${datatype}` });
  });

  it('rounds what is too small to zero, with its sign', () => {
    const tiny = ['1e-400', '-1e-400', '0e99999999999999999999', '-0', '-0.0e5', `0.${'0'.repeat(500)}1`, '1e-99999999999999999999'];
    expect(parseData(module, `[${tiny.join(',')}]`, 'FP64', [7])).toEqual(bytesOf(Float64Array.of(0, -0, 0, -0, -0, 0, 0)));
    expect(parseData(module, `[${tiny.join(',')}]`, 'FP32', [7])).toEqual(bytesOf(Float32Array.of(0, -0, 0, -0, -0, 0, 0)));
    expect(parseData(module, '[5.9604644775390625e-8, 2.9802322387695312e-8, 2.9803e-8]', 'FP16', [3])).toEqual(bytesOf(Uint16Array.of(1, 0, 1)));
  });

  it('refuses numbers of more than 1024 bytes, whole or split', () => {
    for (const sizes of [[], [100]]) {
      expect(parseData(module, `[${'1'.repeat(1025)}]`, 'FP64', [1], sizes)).toMatchObject({ message: 'a number or word of more than 1024 bytes' });
      expect(parseData(module, `[0.${'0'.repeat(1022)}]`, 'FP64', [1], sizes)).toEqual(bytesOf(Float64Array.of(0)));
      expect(parseData(module, `[0.${'0'.repeat(1023)}]`, 'FP64', [1], sizes)).toMatchObject({ position: dataStart('FP64', [1]) + 1 });
    }
  });

  it('rounds FP32 from the decimal itself, not from its double', () => {
    // doubles that lie exactly between two float32, with decimals just above and below them
    const traps = ['1.00000017881393432617187499', '1.00000017881393432617187501', '1.000000178813934326171875', '16777217.0000000001', '16777217',
      '16777216.9999999999', '7.006492321624085e-46', '7.0064923216240853e-46', '7.0064923216240854e-46', '7.0064923216240862e-46',
      '3.4028235677973366163753939545814e38', '3.40282356779733661e38', '0.500000029802322387695312499999', '0.500000029802322387695312500001'];
    for (const text of traps) {
      expect([text, float32Of(parseData(module, `[${text}]`, 'FP32', [1]))]).toEqual([text, nearestFloat32(text)]);
      expect([text, float32Of(parseData(module, `[-${text}]`, 'FP32', [1], [1]))]).toEqual([text, -nearestFloat32(text)]);
    }
  });

  it('rounds any decimal to the nearest float32', () => {
    const digits = fc.tuple(fc.bigInt({ min: 0n, max: 10n ** 25n }), fc.nat({ max: 25 }), fc.integer({ min: -50, max: 30 })).map(([value, point, exponent]) => {
      const text = String(value).padStart(point + 1, '0');
      return `${text.slice(0, text.length - point)}${point > 0 ? `.${text.slice(text.length - point)}` : ''}${exponent === 0 ? '' : `e${String(exponent)}`}`;
    });
    const nearTies = fc.tuple(fc.integer({ min: 0, max: 0x7f7ffffe }), fc.integer({ min: 15, max: 21 })).map(([pattern, precision]) => {
      const low = new DataView(Uint32Array.of(pattern).buffer).getFloat32(0, true);
      const high = new DataView(Uint32Array.of(pattern + 1).buffer).getFloat32(0, true);
      return ((low + high) / 2).toPrecision(precision);
    });
    fc.assert(fc.property(fc.oneof(digits, nearTies), splits, (text, sizes) => {
      const wanted = nearestFloat32(text);
      const parsed = parseData(module, `[${text}]`, 'FP32', [1], sizes);
      if (Number.isFinite(wanted)) expect(float32Of(parsed)).toBe(wanted);
      else expect(parsed).toMatchObject({ message: expect.stringContaining('out of range') as string });
    }), { numRuns: 2000 });
  });

  it('reads FP64 as JSON.parse does', () => {
    const number = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.integer());
    fc.assert(fc.property(fc.array(number, { minLength: 1 }), splits, (values, sizes) => {
      const text = JSON.stringify(values);
      expect(parseData(module, text, 'FP64', [values.length], sizes)).toEqual(bytesOf(Float64Array.from(JSON.parse(text) as number[])));
    }), { numRuns: 300 });
  });

  it('reads every finite half back from its decimal, and rounds half to even between them', () => {
    const decode = (half: number): number => ((half & 0x7c00) === 0 ? (half & 0x3ff) * 2 ** -24 : ((half & 0x3ff) + 1024) * 2 ** ((half >> 10) - 25));
    const halves = Array.from({ length: 0x7c00 }, (_, half) => half);
    expect(parseData(module, JSON.stringify(halves.map(decode)), 'FP16', [halves.length])).toEqual(bytesOf(Uint16Array.from(halves)));
    const pairs = halves.slice(0, -1);
    const between = JSON.stringify(pairs.map((half) => (decode(half) + decode(half + 1)) / 2));
    expect(parseData(module, between, 'FP16', [pairs.length])).toEqual(bytesOf(Uint16Array.from(pairs.map((half) => half + (half % 2)))));
  });

  it('reads strings of any text, NUL and all planes included', () => {
    const texts = fc.array(fc.string({ unit: 'binary' }), { minLength: 1 });
    fc.assert(fc.property(texts, fc.boolean(), splits, (values, escape, sizes) => {
      let text = JSON.stringify(values);
      // every UTF-16 unit as an escape, which makes pairs of surrogates
      if (escape) text = `[${values.map((value) => `"${Array.from({ length: value.length }, (_, i) => `\\u${value.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`).join(',')}]`;
      expect(Buffer.from(parseData(module, text, 'BYTES', [values.length], sizes) as Uint8Array)).toEqual(Buffer.from(encodeBytes(values)));
    }));
  });

  it.each(['1', 'null', 'true', 'NaN'])('refuses %s as BYTES', (text) => {
    expect(parseData(module, `["a",${text}]`, 'BYTES', [2])).toMatchObject({ position: dataStart('BYTES', [2]) + 5, message: `${text} is not a string` });
  });
});
