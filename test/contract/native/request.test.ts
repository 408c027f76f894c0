import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Datatype } from '../../../src/contracts/tensor.ts';
import { LIMITS, bytesOf, encodeBytes, modules, parse, parseData } from './support.ts';

interface Case {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: Datatype;
  readonly values: readonly (number | string)[];
  readonly nested: boolean;
  readonly dataFirst: boolean;
}

function nest(values: readonly unknown[], shape: readonly number[]): unknown {
  if (shape.length <= 1) return values;
  const [first = 0, ...rest] = shape;
  const size = rest.reduce((product, dimension) => product * dimension, 1);
  return Array.from({ length: first }, (_, i) => nest(values.slice(i * size, (i + 1) * size), rest));
}

function encode({ datatype, values }: Case): Uint8Array {
  if (datatype === 'BYTES') return Uint8Array.from(encodeBytes(values.map(String)));
  if (datatype === 'INT32') return bytesOf(Int32Array.from(values.map(Number)));
  if (datatype === 'FP64') return bytesOf(Float64Array.from(values.map(Number)));
  return bytesOf(Float32Array.from(values.map(Number)));
}

const tensorCase: fc.Arbitrary<Case> = fc.record({
  name: fc.string({ unit: 'grapheme' }),
  shape: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 }),
  datatype: fc.constantFrom<Datatype>('FP32', 'FP64', 'INT32', 'BYTES'),
  nested: fc.boolean(),
  dataFirst: fc.boolean(),
}).chain((spec) => {
  const count = spec.shape.reduce((product, dimension) => product * dimension, 1);
  // adding 0 makes 0 of -0, which JSON.stringify would print without its sign
  const value: fc.Arbitrary<number | string> = spec.datatype === 'BYTES' ? fc.string({ unit: 'binary', maxLength: 12 })
    : spec.datatype === 'INT32' ? fc.integer()
      : spec.datatype === 'FP64' ? fc.double({ noNaN: true, noDefaultInfinity: true }).map((double) => double + 0) : fc.float({ noNaN: true, noDefaultInfinity: true }).map((float) => float + 0);
  return fc.array(value, { minLength: count, maxLength: count }).map((values) => ({ ...spec, values }));
});

function inputOf(tensor: Case): object {
  const { name, shape, datatype } = tensor;
  // nested data of a shape that begins with 0 is the same text as flat data
  const data = tensor.nested ? nest(tensor.values, shape) : tensor.values;
  const parameters = { note: ['data', { data: [1] }], inputs: [] };
  return { name, shape, datatype, ...(tensor.dataFirst ? { data, parameters } : { parameters, data }) };
}

/** The reference: JSON.parse, with each input's data replaced by its index. */
function referenceEnvelope(body: string): unknown {
  const request = JSON.parse(body) as { inputs: object[] };
  return { ...request, inputs: request.inputs.map((input, index) => ({ ...input, data: index })) };
}

describe.each(modules.map((module) => ({ kind: module.kind, module })))('requests on $kind', ({ module }) => {
  it('gives element, data and envelope of a usual request', () => {
    const body = '{ "id":"a\\u00e9", "inputs":[ {"name":"x", "shape":[1,2], "datatype":"FP32", "data":[1, 2.5]},\n {"name":"y","parameters":{"binary_data_size":8},"shape":[1],"datatype":"INT64"} ,{"shape":[2],"datatype":"BYTES","data":["a","ü"],"name":"z"}], "outputs":[{"name":"o","data":[1]}] }';
    const parsed = parse(module, body);
    expect(parsed.fault).toBeNull();
    expect(parsed.elements).toEqual([{ name: 'x', shape: [1, 2], datatype: 'FP32' }, { shape: [2], datatype: 'BYTES' }]);
    expect(parsed.tensors[0]).toEqual(bytesOf(Float32Array.of(1, 2.5)));
    expect(Buffer.from(parsed.tensors[1] ?? [])).toEqual(encodeBytes(['a', 'ü']));
    expect(parsed.envelope).toBe(body.replace('"data":[1, 2.5]', '"data":0').replace('"data":["a","ü"]', '"data":2'));
  });

  it('reads any request in any split as JSON.parse does', () => {
    const request = fc.record({
      tensors: fc.array(tensorCase, { minLength: 1, maxLength: 3 }),
      extra: fc.dictionary(fc.string({ unit: 'grapheme' }).filter((key) => key !== 'inputs' && key !== '__proto__'), fc.jsonValue({ depthSize: 'small' }), { maxKeys: 3 }),
      indent: fc.constantFrom('', ' ', '\t', '\r\n'),
      splits: fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 5 }).filter((sizes) => sizes.length === 0 || sizes.some((size) => size > 0)),
      room: fc.nat({ max: 64 }),
    });
    fc.assert(fc.property(request, ({ tensors, extra, indent, splits, room }) => {
      const body = JSON.stringify({ ...extra, inputs: tensors.map(inputOf) }, null, indent);
      fc.pre(!body.includes('\\ud')); // a lone surrogate, as JSON.stringify writes it
      const parsed = parse(module, body, { splits, room });
      expect(parsed.fault).toBeNull();
      expect(JSON.parse(parsed.envelope ?? '')).toEqual(referenceEnvelope(body));
      expect(parsed.tensors.map((tensor) => Uint8Array.from(tensor))).toEqual(tensors.map(encode));
      expect(parsed.elements.map(({ name, shape, datatype }) => ({ name, shape, datatype }))).toEqual(tensors.map(({ name, shape, datatype }) => ({ name, shape, datatype })));
    }), { numRuns: 400 });
  });

  it('captures data as text and parses it later to the same bytes', () => {
    fc.assert(fc.property(tensorCase, fc.array(fc.integer({ min: 1, max: 9 })), fc.constantFrom('', ' '), (tensor, splits, indent) => {
      const body = JSON.stringify({ inputs: [inputOf(tensor)] }, null, indent);
      const parsed = parse(module, body, { splits, capture: true });
      expect(parsed.fault).toBeNull();
      expect(JSON.parse(parsed.envelope ?? '')).toEqual(referenceEnvelope(body));
      const text = parsed.tensors[0] ?? new Uint8Array(0);
      const wanted = encode(tensor);
      const out = new Uint8Array(tensor.datatype === 'BYTES' ? wanted.byteLength + 5 : wanted.byteLength);
      expect(module.parseTensorText(text, tensor.datatype, tensor.shape, out)).toEqual({ fault: null, written: wanted.byteLength });
      expect(out.subarray(0, wanted.byteLength)).toEqual(wanted);
    }));
  });

  it('takes a single value, or an array of one, for a scalar', () => {
    for (const sizes of [[], [1]]) {
      expect(parseData(module, '7', 'INT8', [], sizes)).toEqual(Uint8Array.of(7));
      expect(parseData(module, ' [ 7 ] ', 'INT8', [], sizes)).toEqual(Uint8Array.of(7));
      expect(Buffer.from(parseData(module, '"hi"', 'BYTES', [], sizes) as Uint8Array)).toEqual(encodeBytes(['hi']));
    }
    for (const [text, written] of [['7', 1], [' [7]\n', 1]] as const) expect(module.parseTensorText(Buffer.from(text), 'INT8', [], new Uint8Array(1))).toEqual({ fault: null, written });
  });

  it('takes requests without inputs, data or anything', () => {
    for (const body of ['{}', ' { } ', '{"inputs":[]}', '{"inputs":[{}]}', '{"inputs":[1,"a",[{"data":[1]}]]}', '{"inputs":{"data":[1]}}', '{"data":[1,2]}', '{"x":{"inputs":[{"data":[1]}]}}']) {
      expect(parse(module, body, { splits: [1] })).toMatchObject({ fault: null, envelope: body, tensors: [] });
    }
  });

  it('finds data and inputs behind escaped keys, as JSON.parse would', () => {
    const parsed = parse(module, '{"\\u0069nputs":[{"shape":[1],"datatype":"INT8","d\\u0061ta":[5]}]}', { splits: [1] });
    expect(parsed).toMatchObject({ fault: null, envelope: '{"\\u0069nputs":[{"shape":[1],"datatype":"INT8","d\\u0061ta":0}]}', tensors: [Uint8Array.of(5)] });
  });

  it('gives an empty element when data comes first', () => {
    const parser = module.createJsonRequestParser(LIMITS);
    expect(parser.feed(Buffer.from('{"inputs":[{ "data" : [1,2] , "shape":[2],"datatype":"INT8"}]}'), 0)).toBe('tensor');
    expect(JSON.parse(parser.element())).toEqual({});
  });

  it('tells that it must grow exactly when there is no room, and goes on from there', () => {
    const parsed = parse(module, '{"inputs":[{"shape":[3],"datatype":"BYTES","data":["", "\\ud83d\\ude00", "abc"]}]}', { room: 0, splits: [3] });
    expect(Buffer.from(parsed.tensors[0] ?? [])).toEqual(encodeBytes(['', '😀', 'abc']));
    const parser = module.createJsonRequestParser(LIMITS);
    const body = Buffer.from('{"inputs":[{"data":["abc"]}]}');
    parser.feed(body, 0);
    parser.target(new Uint8Array(7), 'BYTES', [1]);
    expect(parser.feed(body, parser.consumed)).toBe('more');
    expect([parser.written, parser.finish()]).toEqual([7, 'more']);
  });

  it('throws TypeError or RangeError for calls that are bugs of ours, and goes on', () => {
    const parser = module.createJsonRequestParser(LIMITS);
    const body = Buffer.from('{"inputs":[{"data":[1,2]}]}');
    expect(() => parser.feed(body, -1)).toThrow(RangeError);
    expect(() => parser.feed(body, body.byteLength + 1)).toThrow(RangeError);
    expect(() => { parser.target(new Uint8Array(1), 'INT8', [1]); }).toThrow(TypeError);
    expect(() => { parser.capture(new Uint8Array(1)); }).toThrow(TypeError);
    expect(() => parser.element()).toThrow(TypeError);
    expect(() => parser.fault()).toThrow(TypeError);
    expect(() => parser.envelope()).toThrow(TypeError);
    expect(parser.feed(body, 0)).toBe('tensor');
    expect(() => parser.feed(body, parser.consumed)).toThrow(TypeError);
    expect(() => { parser.target(new Uint8Array(3), 'INT8', [2]); }).toThrow(RangeError);
    expect(() => { parser.target(new Uint8Array(2), 'INT8', [2.5]); }).toThrow(RangeError);
    expect(() => { parser.target(new Uint8Array(2), 'INT9' as Datatype, [2]); }).toThrow(TypeError);
    parser.target(new Uint8Array(2), 'INT8', [2]);
    expect(() => { parser.regrow(new Uint8Array(2)); }).toThrow(RangeError);
    expect(parser.feed(body, parser.consumed)).toBe('more');
    expect(parser.finish()).toBe('more');
    expect(parser.envelope()).toBe(parser.envelope());
    expect(() => module.parseTensorText(Buffer.from('["abc"]'), 'BYTES', [1], new Uint8Array(6))).toThrow(RangeError);
    expect(() => module.parseTensorText(Buffer.from('[1]'), 'FP32', [1], new Uint8Array(3))).toThrow(RangeError);
  });
});
