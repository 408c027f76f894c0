import { describe, expect, it } from 'vitest';
import type { Datatype } from '../../../src/contracts/tensor.ts';
import { LIMITS, dataStart, modules, parse, parseData } from './support.ts';

/** Body (▼ marks the position of the fault), message, input. */
const STRUCTURE: readonly (readonly [body: string, message: string, input: number | null])[] = [
  ['▼', 'the body ends before the request is complete', null],
  ['  ▼', 'the body ends before the request is complete', null],
  ['{"inputs":[▼', 'the body ends before the request is complete', null],
  ['{"inputs":[{"name":"x▼', 'the body ends before the request is complete', 0],
  ['{"a":1▼', 'the body ends before the request is complete', null],
  ['▼[]', 'the body must be a JSON object', null],
  ['▼null', 'the body must be a JSON object', null],
  ['▼\ufeff{}', 'the body must be a JSON object', null],
  ['{}▼x', '`x` stands after the end of the request', null],
  ['{} ▼{}', '`{` stands after the end of the request', null],
  ['{▼,}', '`,` stands where a key or `}` is expected', null],
  ['{"a":1,▼}', '`}` stands where a key is expected', null],
  ['{▼a:1}', '`a` stands where a key or `}` is expected', null],
  ['{"a"▼,1}', '`,` stands where `:` is expected', null],
  ['{"a":▼}', '`}` stands where a value is expected', null],
  ['{"a":1 ▼]', '`]` stands where `,` or `}` is expected', null],
  ['{"a":[1 ▼2]}', '`2` stands where `,` or `]` is expected', null],
  ['{"a":[1,▼]}', '`]` stands where a value is expected', null],
  ['{"a":▼01}', '01 is not a JSON value', null],
  ['{"a":▼+1}', '+1 is not a JSON value', null],
  ['{"a":▼1.}', '1. is not a JSON value', null],
  ['{"a":▼0x1F}', '0x1F is not a JSON value', null],
  ['{"a":▼NaN}', 'NaN is not a JSON value', null],
  ['{"a":▼Infinity}', 'Infinity is not a JSON value', null],
  ['{"a":▼tru}', 'tru is not a JSON value', null],
  ['{"a":▼True}', 'True is not a JSON value', null],
  ["{▼'a':1}", "`'` stands where a key or `}` is expected", null],
  ['{"a":1,▼"a":2}', '"a" appears twice in one object', null],
  ['{"inputs":[],▼"inputs":[]}', '"inputs" appears twice in one object', null],
  ['{"inputs":[],▼"\\u0069nputs":[]}', '"inputs" appears twice in one object', null],
  ['{"inputs":[{"name":"x"},{"name":"a",▼"name":"b"}]}', '"name" appears twice in one object', 1],
  ['{"inputs":[{"shape":[1],"datatype":"INT8","data":[1],▼"d\\u0061ta":[1]}]}', '"data" appears twice in one object', 0],
  ['{"é":1,▼"\\u00e9":2}', '"??" appears twice in one object', null],
  ['{"a":"x▼\u0001"}', 'a control character must be escaped in a string', null],
  ['{"a▼\n":1}', 'a control character must be escaped in a string', null],
  ['{"a":"▼\\x"}', 'unknown escape in a string', null],
  ['{"a":"▼\\u12G4"}', '\\u in a string needs four hexadecimal digits', null],
  ['{"a":"▼\\ud800"}', 'a lone surrogate in a string', null],
  ['{"a":"▼\\udc00"}', 'a lone surrogate in a string', null],
  ['{"a":"▼\\ud800\\u0041"}', 'a lone surrogate in a string', null],
  ['{"a":"▼\\ud800\\ud800"}', 'a lone surrogate in a string', null],
  ['{"a":"▼\\ud800x"}', 'a lone surrogate in a string', null],
  ['{"▼\\udfff":1}', 'a lone surrogate in a string', null],
];

const DATA: readonly (readonly [data: string, datatype: Datatype, shape: readonly number[], message: string])[] = [
  ['▼{}', 'FP32', [1], 'an object is not tensor data'],
  ['[▼{}]', 'FP32', [1], 'an object is not tensor data'],
  ['▼1', 'FP32', [1], 'data must be an array'],
  ['▼null', 'FP32', [1], 'data must be an array'],
  ['▼"a"', 'BYTES', [1], 'data must be an array'],
  ['▼,', 'FP32', [1], '`,` stands where a value is expected'],
  ['[▼,1]', 'FP32', [1], '`,` stands where a value is expected'],
  ['[1,▼]', 'FP32', [1], '`]` stands where a value is expected'],
  ['[1,▼]', 'FP32', [2], '`]` stands where a value is expected'],
  ['[1▼:2]', 'FP32', [2], '`:` stands where `,` or `]` is expected'],
  ['[1 ▼2]', 'FP32', [2], '`2` stands where `,` or `]` is expected'],
  ['[1,2▼]', 'FP32', [3], '2 values where shape [3] needs 3'],
  ['[▼]', 'INT8', [1, 2], '0 values where shape [1,2] needs 2'],
  ['[1,2,▼3]', 'FP32', [2], 'more than 2 values for shape [2]'],
  ['[▼1]', 'FP32', [0], 'more than 0 values for shape [0]'],
  ['[1,▼[2]]', 'FP32', [2, 1], '`[` is not allowed here: data is a flat array, or nested exactly as shape [2,1]'],
  ['[▼[1]]', 'FP32', [1], '`[` is not allowed here: data is a flat array, or nested exactly as shape [1]'],
  ['[▼[1]]', 'FP32', [], '`[` is not allowed here: data is a flat array, or nested exactly as shape []'],
  ['[[▼[1]]]', 'FP32', [1, 1], '`[` is not allowed here: data is a flat array, or nested exactly as shape [1,1]'],
  ['[[1],▼2]', 'FP32', [2, 1], 'a value is not allowed here: data is a flat array, or nested exactly as shape [2,1]'],
  ['[[1,2▼],[3]]', 'FP32', [2, 3], '2 entries where dimension 1 of shape [2,3] needs 3'],
  ['[[1,2,▼3],[4]]', 'FP32', [2, 2], 'more than 2 entries in dimension 1 of shape [2,2]'],
  ['[[1],[2],▼[3]]', 'FP32', [2, 1], 'more than 2 entries in dimension 0 of shape [2,1]'],
  ['[[1]▼]', 'FP32', [2, 1], '1 entries where dimension 0 of shape [2,1] needs 2'],
  ['["a",▼1]', 'BYTES', [2], '1 is not a string'],
  ['["a▼\u0000"]', 'BYTES', [1], 'a control character must be escaped in a string'],
  ['["▼\\ud800"]', 'BYTES', [1], 'a lone surrogate in a string'],
  ['[1,2,▼256,x]', 'UINT8', [4], '256 is out of range for UINT8'],
];

const INVALID_UTF8: readonly (readonly number[])[] = [
  [0x80], [0xbf], [0xc0, 0x80], [0xc1, 0xbf], [0xc3, 0x28], [0xe0, 0x9f, 0x80], [0xed, 0xa0, 0x80], [0xef, 0xbf], [0xf0, 0x8f, 0x80, 0x80],
  [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xff], [0xe2, 0x82, 0x41],
];
/** Index of the byte that shows it: the first that no valid text could have there. A cut sequence is found at what follows. */
const FOUND_AT = [0, 0, 0, 0, 1, 1, 1, 2, 1, 1, 0, 0, 2];

describe.each(modules.map((module) => ({ kind: module.kind, module })))('faults on $kind', ({ module }) => {
  it.each(STRUCTURE)('%s', (marked, message, input) => {
    const body = marked.replace('▼', '');
    const position = Buffer.byteLength(marked.slice(0, marked.indexOf('▼')));
    for (const splits of [[], [1], [2, 3]]) expect(parse(module, body, { splits }).fault).toEqual({ position, message, input });
  });

  it.each(DATA)('data %s of %s %j', (marked, datatype, shape, message) => {
    const position = dataStart(datatype, shape) + marked.indexOf('▼');
    const text = marked.replace('▼', '');
    for (const splits of [[], [1], [2, 3]]) expect(parseData(module, text, datatype, shape, splits)).toEqual({ position, message, input: 0 });
    if (text !== ',') {
      const out = new Uint8Array(datatype === 'BYTES' ? 100 : shape.reduce((product, dimension) => product * dimension, datatype === 'FP32' ? 4 : 1));
      expect(module.parseTensorText(Buffer.from(text), datatype, shape, out).fault).toEqual({ position: marked.indexOf('▼'), message, input: null });
    }
  });

  it.each(INVALID_UTF8.map((bytes, i) => ({ bytes, at: FOUND_AT[i] ?? 0 })))('invalid UTF-8 $bytes in keys, values and elements', ({ bytes, at }) => {
    const wrap = (before: string, after: string): Buffer => Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]);
    for (const [before, after] of [['{"', '":1}'], ['{"a":"', '"}'], ['{"inputs":[{"parameters":{"', '":1}}]}'], ['{"inputs":[{"shape":[1],"datatype":"BYTES","data":["', '"]}]}']] as const) {
      for (const splits of [[], [1]]) {
        expect(parse(module, wrap(before, after), { splits, room: 100 }).fault).toMatchObject({ position: before.length + at, message: 'invalid UTF-8 in a string' });
      }
    }
  });

  it('tells truncation at every byte, wherever it is', () => {
    const body = '{"id":"é","inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1.5,-2e3],["NaN",4]]},{"shape":[1],"datatype":"BYTES","data":["a\\u00e9"]}],"outputs":[true,null,{}]}';
    const bytes = Buffer.from(body);
    expect(parse(module, bytes).fault).toBeNull();
    for (let length = 0; length < bytes.byteLength; length += 1) {
      expect(parse(module, bytes.subarray(0, length)).fault).toMatchObject({ position: length, message: 'the body ends before the request is complete' });
    }
  });

  it('tells truncated and trailing text of captured data', () => {
    const out = new Uint8Array(8);
    for (const text of ['', ' ', '[', '[1', '[1,', '[1,2', '["NaN']) {
      expect(module.parseTensorText(Buffer.from(text), 'FP32', [2], out).fault).toEqual({ position: text.length, message: 'the data ends before it is complete', input: null });
    }
    expect(module.parseTensorText(Buffer.from('[1,2] x'), 'FP32', [2], out).fault).toEqual({ position: 6, message: '`x` stands after the end of the data', input: null });
  });

  it('refuses depth at its limit: in the envelope, in data, and in captured data', () => {
    const limits = { ...LIMITS, maxDepth: 6 };
    const message = 'nesting reaches the limit of 6';
    expect(parse(module, '{"a":[[[[]]]]}', { limits }).fault).toBeNull();
    expect(parse(module, '{"a":[[[[[]]]]]}', { limits }).fault).toEqual({ position: 9, message, input: null });
    expect(parse(module, '{"inputs":[{"a":[[[]]]}]}', { limits }).fault).toEqual({ position: 18, message, input: 0 });
    const nested = (text: string): string => `{"inputs":[{"shape":[1,1,1],"datatype":"INT8","data":${text}}]}`;
    expect(parse(module, nested('[[[1]]]'), { limits }).fault).toEqual({ position: nested('').length - 3 + 2, message, input: 0 });
    expect(parse(module, nested('[[[1]]]'), { limits, capture: true }).fault).toEqual({ position: nested('').length - 3 + 2, message, input: 0 });
    const deep = '['.repeat(1_000_000);
    expect(parse(module, `{"a":${deep}`).fault).toMatchObject({ message: 'nesting reaches the limit of 32' });
    expect(parse(module, nested(deep), { capture: true, room: 100 }).fault).toMatchObject({ message: 'nesting reaches the limit of 32' });
  });

  it('refuses more inputs than allowed', () => {
    const limits = { ...LIMITS, maxTensors: 2 };
    expect(parse(module, '{"inputs":[{},{}]}', { limits }).fault).toBeNull();
    expect(parse(module, '{"inputs":[{},{},{}]}', { limits }).fault).toEqual({ position: 17, message: 'more than 2 inputs', input: null });
  });

  it('bounds the envelope, not the data, whichever way the body is split', () => {
    const limits = { ...LIMITS, maxEnvelopeBytes: 60 };
    const data = `[${Array.from({ length: 100 }, () => '1').join(' , ')}]`;
    const body = `{"inputs":[{"shape":[100],"datatype":"INT8","data":${data}}]}`;
    expect(parse(module, body, { limits }).fault).toBeNull();
    for (const [text, position] of [[`{"a":"${'x'.repeat(100)}"}`, 60], [' '.repeat(100), 60], [`${body}${' '.repeat(20)}`, body.length + 60 - (body.length - data.length)], [`{"a":${' '.repeat(60)}x`, 60], [`{"${'k'.repeat(50)}":1,"${'k'.repeat(50)}":2}`, 60]] as const) {
      for (const splits of [[], [1], [7]]) {
        expect(parse(module, text, { limits, splits }).fault).toMatchObject({ position, message: 'the request without its tensor data is larger than 60 bytes' });
      }
    }
  });

  it('refuses objects and nothing in captured data', () => {
    for (const [text, at, message] of [['[{}]', 1, 'an object is not tensor data'], ['{}', 0, 'an object is not tensor data'], ['', 0, '`}` stands where a value is expected'], ['[1}', 2, 'an object is not tensor data']] as const) {
      const body = `{"inputs":[{"data":${text}}]}`;
      const parser = module.createJsonRequestParser(LIMITS);
      expect(parser.feed(Buffer.from(body), 0)).toBe('tensor');
      parser.capture(new Uint8Array(100));
      expect(parser.feed(Buffer.from(body), parser.consumed)).toBe('fault');
      expect(parser.fault()).toEqual({ position: 19 + at, message, input: 0 });
    }
  });

  it('stays dead after a fault', () => {
    const parser = module.createJsonRequestParser(LIMITS);
    expect(parser.feed(Buffer.from('[]'), 0)).toBe('fault');
    expect([parser.feed(Buffer.from('{}'), 0), parser.finish()]).toEqual(['fault', 'fault']);
    expect(parser.fault()).toEqual({ position: 0, message: 'the body must be a JSON object', input: null });
    const cut = module.createJsonRequestParser(LIMITS);
    cut.feed(Buffer.from('{'), 0);
    expect([cut.finish(), cut.feed(Buffer.from('}'), 0)]).toEqual(['fault', 'fault']);
  });
});
