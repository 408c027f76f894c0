/** What clients send wrong: a 4xx that names the field, what came and what is wanted; never a 5xx, never a place left held. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import '../../support/fast-check.ts';
import { createFront, identityModel, type Front } from '../../support/http-front.ts';
import { clientRequest, type ClientTensor } from '../../support/oip-codec.ts';

const PAIR = identityModel('pair', [{ name: 'x', datatype: 'FP32', shape: [-1, 3, 48, 192] }, { name: 's', datatype: 'BYTES', shape: [-1] }]);
const X = { name: 'x', shape: [1, 2], datatype: 'FP32', data: [1, 2] };
const VECTOR = identityModel('vector', [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }]);
const TEXT = identityModel('text', [{ name: 's', datatype: 'BYTES', shape: [-1, 1] }]);
const SHARED = identityModel('shared', [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }, { name: 'k', datatype: 'INT32', shape: [] }], { inputAxes: [0, null] });
const ROWS = identityModel('rows', [{ name: 'a', datatype: 'UINT8', shape: [-1] }, { name: 'b', datatype: 'UINT8', shape: [-1] }]);

let front: Front;
beforeAll(() => {
  front = createFront({ models: [PAIR, VECTOR, TEXT, SHARED, ROWS], http: { maxBodyBytes: 100_000, maxTensors: 8, maxJsonDepth: 20 } });
});
afterAll(async () => {
  await front.app.close();
});

async function post(model: string, payload: string | Buffer | object, headers: Record<string, string> = {}) {
  const response = await front.app.inject({ method: 'POST', url: `/v2/models/${model}/infer`, headers, payload: typeof payload === 'string' || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload) });
  expect(front.arena.usage().leases).toBe(0);
  expect(front.admission.tickets).toBe(0);
  return { status: response.statusCode, ...response.json<{ error: string; code: string; retryable: boolean }>() };
}

describe('JSON', () => {
  test.each([
    ['nothing', '', 'BAD_JSON', /at byte 0/],
    ['no JSON', 'hello', 'BAD_JSON', /at byte 0/],
    ['half of it', '{"inputs":[', 'BAD_JSON', /at byte 11/],
    ['two of it', '{"inputs":[]} {}', 'BAD_JSON', /at byte 14/],
    ['an array', '[]', 'BAD_JSON', /at byte 0/],
    ['nested too deep', `{"x":${'['.repeat(250_000)}`, 'TOO_LARGE|BAD_JSON', /deep|larger/],
    ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22]), 'BAD_JSON', /UTF-8/],
    ['a key twice', '{"id":"a","id":"b","inputs":[]}', 'BAD_JSON', /id/],
    ['inputs missing', '{}', 'BAD_REQUEST', /^inputs: /],
    ['inputs no array', '{"inputs":3}', 'BAD_REQUEST|BAD_JSON', /inputs|array/],
    ['an id that is a number', { id: 3, inputs: [X] }, 'BAD_REQUEST', /^id: /],
    ['an id that is too long', { id: 'x'.repeat(257), inputs: [X] }, 'BAD_REQUEST', /^id: .*256/],
    ['a datatype that does not exist', { inputs: [{ ...X, datatype: 'FLOAT' }] }, 'BAD_TENSOR', /^inputs\[0\]\.datatype: /],
    ['a negative dimension', { inputs: [{ ...X, shape: [-1, 2] }] }, 'BAD_TENSOR', /^inputs\[0\]\.shape\[0\]: /],
    ['a fraction of a dimension', { inputs: [{ ...X, shape: [1.5, 2] }] }, 'BAD_TENSOR', /^inputs\[0\]\.shape\[0\]: /],
    ['parameters that are no object', { parameters: [], inputs: [X] }, 'BAD_REQUEST', /^parameters: /],
    ['a parameter that is an object', { parameters: { a: {} }, inputs: [X] }, 'BAD_REQUEST', /^parameters\.a: /],
  ])('%s', async (_, body, code, message) => {
    const answer = await post('vector', body);
    expect(answer.status === 400 || answer.status === 413).toBe(true);
    expect(answer.code).toMatch(new RegExp(`^(${code})$`));
    expect(answer.error).toMatch(message);
    expect(answer.retryable).toBe(false);
  });
});

describe('tensors', () => {
  test.each([
    ['vector', { inputs: [{ ...X, name: 'y' }] }, 'input "y" is unknown; "vector" takes "x"'],
    ['vector', { inputs: [X, X] }, 'input "x": came twice'],
    ['vector', { inputs: [] }, 'input "x": is missing'],
    ['vector', { inputs: [{ ...X, datatype: 'FP64' }] }, 'input "x": datatype FP64 came, the model takes FP32'],
    ['pair', { inputs: [{ ...X, shape: [1, 3, 48, 191] }] }, 'input "x": shape [1,3,48,191] does not fit [-1,3,48,192]'],
    ['pair', { inputs: [{ ...X, shape: [1, 3, 48] }] }, 'input "x": shape [1,3,48] does not fit [-1,3,48,192]'],
    ['vector', { inputs: [{ ...X, shape: [0, 2], data: [] }] }, 'input "x": shape [0,2] has no rows; send at least one'],
    ['vector', { inputs: [{ ...X, shape: [2 ** 32, 2] }] }, 'input "x": its shape has 8589934592 elements, more than a body of'],
    ['vector', { inputs: [{ ...X, shape: [2 ** 53 - 1, 2] }] }, 'more elements than can be counted'],
    ['vector', { inputs: [{ ...X, data: [1] }] }, 'input "x": '],
    ['vector', { inputs: [{ ...X, data: [1, 2, 3] }] }, 'input "x": '],
    ['vector', { inputs: [{ ...X, data: [1, 'two'] }] }, 'input "x": '],
    ['vector', { inputs: [{ ...X, data: [1, 1e39] }] }, 'input "x": '],
    ['vector', { inputs: [{ ...X, data: [[1], [2]] }] }, 'input "x": '],
    ['vector', { inputs: [{ ...X, data: 'text' }] }, 'input "x": '],
    ['vector', { inputs: [{ data: [1, 'two'], ...{ name: 'x', shape: [1, 2], datatype: 'FP32' } }] }, 'input "x": "two" is not a number'],
    ['vector', { inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32' }] }, 'input "x": has neither data nor binary_data_size'],
    ['vector', { inputs: [{ ...X, parameters: { binary_data_size: 8 } }] }, 'input "x": has both data and binary_data_size'],
    ['vector', { inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32', parameters: { binary_data_size: 8 } }] }, 'no header Inference-Header-Content-Length'],
    ['text', { inputs: [{ name: 's', shape: [1, 1], datatype: 'BYTES', data: ['a\0b'] }] }, 'input "s": element 0 holds a NUL byte'],
    ['rows', { inputs: [{ name: 'a', shape: [2], datatype: 'UINT8', data: [1, 2] }, { name: 'b', shape: [3], datatype: 'UINT8', data: [1, 2, 3] }] }, 'input "b": has 3 rows, but input "a" has 2'],
    ['rows', { inputs: [{ name: 'a', shape: [1], datatype: 'UINT8', data: [256] }] }, 'input "a": 256'],
    ['vector', { inputs: [X], outputs: [{ name: 'y' }] }, 'output "y" is unknown; "vector" gives "x_out"'],
    ['vector', { inputs: [X], outputs: [{ name: 'x_out' }, { name: 'x_out' }] }, 'output "x_out": is asked for twice'],
    ['vector', { inputs: [X], outputs: [{ name: 'x_out', parameters: { classification: -1 } }] }, 'output "x_out": classification is -1'],
    ['vector', { inputs: [X], outputs: [{ name: 'x_out', parameters: { binary_data: 'yes' } }] }, 'output "x_out": binary_data is "yes"'],
    ['text', { inputs: [{ name: 's', shape: [1, 1], datatype: 'BYTES', data: ['a'] }], outputs: [{ name: 's_out', parameters: { classification: 1 } }] }, 'output "s_out": classification needs numbers'],
    ['vector', { parameters: { triton_x: 1 }, inputs: [X] }, 'reserved prefix "triton_"'],
    ['vector', { parameters: { priority: -1 }, inputs: [X] }, 'parameters: priority is -1'],
    ['vector', { parameters: { priority: 1.5 }, inputs: [X] }, 'parameters: priority is 1.5'],
    ['vector', { parameters: { timeout: 'soon' }, inputs: [X] }, 'parameters: timeout is "soon"'],
    ['vector', { parameters: { binary_data_output: 1 }, inputs: [X] }, 'parameters: binary_data_output is 1'],
    ['vector', { inputs: Array.from({ length: 9 }, (_, index) => ({ ...X, name: `n${String(index)}` })) }, ''],
  ])('%s: %j', async (model, body, message) => {
    const answer = await post(model, body);
    expect(answer.status).toBe(400);
    expect(answer.error).toContain(message);
  });

  test.each([
    [{ parameters: { sequence_id: 3 }, inputs: [X] }],
    [{ inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32', parameters: { shared_memory_region: 'r' } }] }],
    [{ inputs: [X], outputs: [{ name: 'x_out', parameters: { shared_memory_region: 'r' } }] }],
  ])('not offered: %j', async (body) => {
    expect(await post('vector', body)).toMatchObject({ status: 501, code: 'NOT_SUPPORTED' });
  });
});

describe('binary tensors', () => {
  const good = clientRequest([{ name: 'x', datatype: 'FP32', shape: [1, 2], values: [1, 2] }]);
  const withSize = (size: unknown): { headers: Record<string, string>; body: Buffer } => {
    const json = Buffer.from(JSON.stringify({ inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32', parameters: { binary_data_size: size } }] }));
    return { headers: { 'inference-header-content-length': String(json.length) }, body: Buffer.concat([json, Buffer.alloc(8)]) };
  };

  test('bytes that are missing, and bytes that are left over', async () => {
    expect((await post('vector', good.body.subarray(0, -3), good.headers)).error).toBe('input "x": binary_data_size is 8, but only 5 bytes of the body are left for it');
    expect((await post('vector', Buffer.concat([good.body, Buffer.alloc(1)]), good.headers)).error).toBe('the body has 1 byte after the 8 bytes of input "x", the last one');
    const json = clientRequest([{ name: 'x', datatype: 'FP32', shape: [1, 2], values: [1, 2] }], () => false);
    expect((await post('vector', Buffer.concat([json.body, Buffer.alloc(2)]), { 'inference-header-content-length': String(json.body.length) })).error).toBe('the body has 2 bytes after the JSON, which announces no binary data');
  });

  test.each([[7], [12], [-8], [8.5], ['8'], [2 ** 60]])('binary_data_size %s', async (size) => {
    const { headers, body } = withSize(size);
    expect(await post('vector', body, headers)).toMatchObject({ status: 400, code: 'BAD_TENSOR', error: expect.stringMatching(/^input "x": binary_data_size is /) });
  });

  test.each([['-1'], ['1e3'], ['abc'], [''], ['99999999999999999999'], ['1000'], ['3, 4']])('Inference-Header-Content-Length: %s', async (value) => {
    expect(await post('vector', good.body, { 'inference-header-content-length': value })).toMatchObject({ status: 400, code: 'BAD_HEADER' });
  });

  test('a length header that cuts the JSON short', async () => {
    expect(await post('vector', good.body, { 'inference-header-content-length': '5' })).toMatchObject({ status: 400, code: 'BAD_JSON' });
  });

  test.each([
    ['a prefix beyond the end', [9, 0, 0, 0, 97], /element 0 has a length of 9, but only 1 byte follow/],
    ['half a prefix', [1, 0, 0, 0, 97, 1, 0], /2 bytes follow after its 1 element/],
    ['a NUL', [2, 0, 0, 0, 97, 0], /element 0 holds a NUL byte/],
    ['no UTF-8', [1, 0, 0, 0, 0xff], /element 0 is not valid UTF-8/],
  ])('BYTES with %s', async (_, bytes, message) => {
    const json = Buffer.from(JSON.stringify({ inputs: [{ name: 's', shape: [1, 1], datatype: 'BYTES', parameters: { binary_data_size: bytes.length } }] }));
    const answer = await post('text', Buffer.concat([json, Buffer.from(bytes)]), { 'inference-header-content-length': String(json.length) });
    expect(answer.status).toBe(400);
    expect(answer.error).toMatch(message);
  });
});

describe('headers', () => {
  test.each([
    [{ 'request-timeout': '0' }], [{ 'request-timeout': '-1' }], [{ 'request-timeout': 'soon' }], [{ 'request-timeout': '1e9' }],
  ])('%j', async (headers) => {
    expect(await post('vector', { inputs: [X] }, headers)).toMatchObject({ status: 400, code: 'BAD_HEADER' });
  });

  test('a body that announces more than is allowed is refused before admission', async () => {
    const seen = front.heads.length;
    expect(await post('vector', Buffer.alloc(100_001, ' '))).toMatchObject({ status: 413, code: 'TOO_LARGE' });
    expect(front.heads).toHaveLength(seen);
  });

  test('unknown models, in names of every kind', async () => {
    expect(await post('nope', { inputs: [X] })).toMatchObject({ status: 404, code: 'UNKNOWN_MODEL' });
    expect(await post('%2e%2e%2f', { inputs: [X] })).toMatchObject({ status: 404 });
    expect(await post('%zz', { inputs: [X] })).toMatchObject({ status: 400 });
    expect(await post('m'.repeat(5000), { inputs: [X] })).toMatchObject({ status: expect.toSatisfy((status: number) => status >= 400 && status < 500) });
  });
});

describe('anything at all', () => {
  const tensors: readonly ClientTensor[] = [{ name: 'x', datatype: 'FP32', shape: [1, 2], values: [1, 2] }];
  const good = clientRequest(tensors);

  test('one byte changed, cut or added anywhere: 200 or 4xx', async () => {
    await fc.assert(fc.asyncProperty(fc.nat(good.body.length - 1), fc.nat(255), fc.constantFrom('change', 'cut', 'add'), async (at, byte, how) => {
      const body = how === 'change' ? Buffer.from(good.body) : how === 'cut' ? good.body.subarray(0, at) : Buffer.concat([good.body.subarray(0, at), Buffer.from([byte]), good.body.subarray(at)]);
      if (how === 'change') body[at] = byte;
      const { status } = await post('vector', body, good.headers);
      expect(status === 200 || (status >= 400 && status < 500)).toBe(true);
    }), { numRuns: 500 });
  });

  test('any JSON in any place of the envelope: 200 or 4xx, or 501', async () => {
    const place = fc.constantFrom('id', 'parameters', 'inputs', 'outputs', 'name', 'shape', 'datatype', 'data', 'priority', 'binary_data_size');
    await fc.assert(fc.asyncProperty(place, fc.jsonValue({ maxDepth: 3 }), async (key, value) => {
      const input = { ...X, ...(['name', 'shape', 'datatype', 'data'].includes(key) ? { [key]: value } : {}), ...(key === 'binary_data_size' ? { parameters: { [key]: value } } : {}) };
      const body = { inputs: [input], ...(['id', 'parameters', 'inputs', 'outputs'].includes(key) ? { [key]: value } : {}), ...(key === 'priority' ? { parameters: { [key]: value } } : {}) };
      const { status } = await post('vector', body);
      expect(status === 200 || (status >= 400 && status <= 501 && status !== 500)).toBe(true);
    }), { numRuns: 500 });
  });
});

describe('compressed bodies', () => {
  test('that end badly give back what their beginning has reserved', async () => {
    const tensor: ClientTensor = { name: 'x', datatype: 'FP32', shape: [10_000, 2], values: Array.from({ length: 20_000 }, (_, index) => Math.sin(index)) };
    const { body, headers } = clientRequest([tensor]);
    const broken = gzipSync(body);
    broken.fill(0, broken.length - 8);
    const { status, error } = await post('vector', broken, { ...headers, 'content-encoding': 'gzip' });
    expect({ status, error }).toEqual({ status: 400, error: expect.stringMatching(/gzip/) });
  });
});
