/** The addon and the fallback must say the same about anything at all: bytes, faults, positions and messages. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DATATYPES, ELEMENT_BYTES, elementCount } from '../../../src/contracts/tensor.ts';
import { addon, fallback, parse, requestWith } from './support.ts';
import type { ParseOptions, Parsed } from './support.ts';

const PIECES = ['{', '}', '[', ']', ',', ':', '"', '\\', '\\u', '\\ud83d', '\\ude00', 'd8', ' ', '\n', '\t', '0', '1', '-', '+', '.', 'e', '12', '256', '1.5', '1e5', '1e400', '-0', '00',
  'NaN', '"NaN"', 'Infinity', '-Infinity', 'true', 'false', 'null', '"inputs":[', '"data":', '"data":[', '{"', '"x"', '"name":"n"', '"shape":[2]', '"datatype":"FP32"', '\u0000', '\u001f', 'é', '😀', '9'.repeat(19), '0.'.concat('3'.repeat(25))];

const SEEDS = [
  '{"id":"1","inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1,2],[3.5,-4e-3]]},{"name":"y","datatype":"BYTES","shape":[2],"data":["a\\u00e9","ü"]}],"outputs":[{"name":"o"}]}',
  '{"inputs":[{"shape":[3],"datatype":"INT64","data":[9223372036854775807, -1 ,0]},{"shape":[2],"datatype":"BOOL","data":[true,0]}]}',
  '{"inputs":[{"shape":[],"datatype":"FP16","data":1.5},{"shape":[1,0],"datatype":"UINT8","data":[[]]}],"parameters":{"a":{"b":[1,null]}}}',
];

/** A valid body with some spans replaced by pieces or bytes. */
const mutated = fc.tuple(
  fc.constantFrom(...SEEDS),
  fc.array(fc.record({ at: fc.nat({ max: 200 }), remove: fc.nat({ max: 4 }), insert: fc.oneof(fc.constantFrom(...PIECES).map((piece) => Buffer.from(piece)), fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes))) }), { minLength: 0, maxLength: 4 }),
).map(([seed, edits]) => edits.reduce((body, { at, remove, insert }) => Buffer.concat([body.subarray(0, at), insert, body.subarray(at + remove)]), Buffer.from(seed)));

const splits = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 4 });

/** Elements that a mutation has made useless end the run where the codec would refuse them. */
function outcome(module: typeof fallback, body: Uint8Array, options: ParseOptions): Parsed | string {
  try {
    return parse(module, body, options);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return error.name;
    throw error;
  }
}

describe.skipIf(addon === null)('addon and fallback agree', () => {
  const native = addon ?? fallback;

  it('on mutated requests, in different splits', () => {
    fc.assert(fc.property(mutated, splits, splits, fc.boolean(), (body, one, other, capture) => {
      expect(outcome(native, body, { splits: one, capture })).toEqual(outcome(fallback, body, { splits: other, capture }));
    }), { numRuns: 3000 });
  });

  it('on requests under tight limits', () => {
    const limits = fc.record({ maxDepth: fc.integer({ min: 1, max: 8 }), maxEnvelopeBytes: fc.nat({ max: 250 }), maxTensors: fc.nat({ max: 3 }) });
    fc.assert(fc.property(mutated, limits, splits, splits, (body, tight, one, other) => {
      expect(outcome(native, body, { splits: one, limits: tight })).toEqual(outcome(fallback, body, { splits: other, limits: tight }));
    }), { numRuns: 2000 });
  });

  it('on any data of any datatype', () => {
    const data = fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => `[${pieces.join('')}]`);
    const shape = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 });
    fc.assert(fc.property(data, fc.constantFrom(...DATATYPES), shape, splits, splits, (text, datatype, dimensions, one, other) => {
      const body = Buffer.from(requestWith(text, datatype, dimensions));
      const result = outcome(native, body, { splits: one });
      expect(result).toEqual(outcome(fallback, body, { splits: other }));
      const elementBytes = ELEMENT_BYTES[datatype];
      const size = elementBytes === null ? 4096 : (elementCount(dimensions) ?? 0) * elementBytes;
      expect(native.parseTensorText(Buffer.from(text), datatype, dimensions, new Uint8Array(size))).toEqual(fallback.parseTensorText(Buffer.from(text), datatype, dimensions, new Uint8Array(size)));
    }), { numRuns: 3000 });
  });
});
