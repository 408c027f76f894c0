/** POST …/infer as clients send it, through the whole front on a pipeline of identities. */
import { gzipSync, deflateSync, gunzipSync, inflateSync, deflateRawSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { SluiceError } from '../../../src/errors.ts';
import { SCHEMAS } from '../../../src/http/openapi/schemas.ts';
import { HeapArena } from '../../support/heap-arena.ts';
import { createFront, FP32_ROW, identityModel, type Front, type FrontOptions } from '../../support/http-front.ts';
import { clientRequest, readAnswer, tensorBytes, type ClientTensor } from '../../support/oip-codec.ts';

const X: ClientTensor = { name: 'x', datatype: 'FP32', shape: [2, 4], values: [1, 2.5, -3, 0, 5, 6, 7, 8] };
const TWO = identityModel('two', [{ name: 'a', datatype: 'INT64', shape: [-1, 2] }, { name: 's', datatype: 'BYTES', shape: [-1, 2] }]);
const FLAGS = identityModel('flags', [{ name: 'f', datatype: 'BOOL', shape: [-1] }], { batchable: false });

let front: Front;
function use(options: FrontOptions = {}): Front {
  front = createFront(options);
  return front;
}
afterEach(async () => {
  expect(front.arena.usage().leases).toBe(0);
  expect(front.admission.tickets).toBe(0);
  await front.app.close();
});

async function post(model: string, body: Buffer | string | object, headers: Record<string, string> = {}, version = '') {
  const payload = Buffer.isBuffer(body) || typeof body === 'string' ? body : JSON.stringify(body);
  return await front.app.inject({ method: 'POST', url: `/v2/models/${model}${version}/infer`, payload, headers });
}

describe('answers', () => {
  test('JSON in, JSON out: flat, row-major, with the client’s id in the body and in X-Request-Id', async () => {
    use();
    const response = await post('row', { id: 'mine', inputs: [{ ...X, data: [[1, 2.5, -3, 0], [5, 6, 7, 8]], values: undefined }] });
    expect(response.statusCode).toBe(200);
    expect(response.headers['content-type']).toBe('application/json');
    expect(response.headers['x-request-id']).toBe('mine');
    expect(response.json()).toEqual({ id: 'mine', model_name: 'row', model_version: '1', outputs: [{ name: 'x_out', datatype: 'FP32', shape: [2, 4], data: [1, 2.5, -3, 0, 5, 6, 7, 8] }] });
    expect(SCHEMAS.InferResponse.parse(response.json())).toBeTruthy();
  });

  test('without an id: none in the body, a made one in X-Request-Id, each its own', async () => {
    use();
    const { headers, body } = clientRequest([X]);
    const [one, other] = [await post('row', body, headers), await post('row', body, headers)];
    expect(one.json()).not.toHaveProperty('id');
    expect(one.headers['x-request-id']).not.toBe(other.headers['x-request-id']);
    expect((await post('row', { id: '', inputs: [{ ...X, data: X.values }] })).json()).not.toHaveProperty('id');
  });

  test('an id that no header can hold is percent-encoded there, and whole in the body', async () => {
    use();
    const id = 'a b\r\nSet-Cookie: x=1 é';
    const response = await post('row', { id, inputs: [{ ...X, data: X.values }] });
    expect(response.headers['x-request-id']).toBe(encodeURIComponent(id));
    expect(response.headers).not.toHaveProperty('set-cookie');
    expect(response.json().id).toBe(id);
  });

  test.each([
    ['parameters.binary_data_output', { parameters: { binary_data_output: true } }, true],
    ['an output’s binary_data', { outputs: [{ name: 'x_out', parameters: { binary_data: true } }] }, true],
    ['an output without binary_data follows binary_data_output', { parameters: { binary_data_output: true }, outputs: [{ name: 'x_out' }] }, true],
    ['an output’s own word against binary_data_output', { parameters: { binary_data_output: true }, outputs: [{ name: 'x_out', parameters: { binary_data: false } }] }, false],
    ['no wish', {}, false],
  ])('form by %s', async (_, rest, binary) => {
    use();
    const { headers, body } = clientRequest([X], () => true, rest);
    const response = await post('row', body, headers);
    expect(response.headers['content-type']).toBe(binary ? 'application/octet-stream' : 'application/json');
    const { json, blobs } = readAnswer(response.rawPayload, response.headers['inference-header-content-length']);
    if (binary) expect(blobs.get('x_out')?.equals(tensorBytes(X))).toBe(true);
    else expect(json.outputs[0]?.data).toEqual(X.values);
  });

  test('outputs in the order in which they are asked for, and only those', async () => {
    use({ models: [TWO] });
    const tensors: ClientTensor[] = [{ name: 'a', datatype: 'INT64', shape: [1, 2], values: [-(2n ** 63n), 2n ** 63n - 1n] }, { name: 's', datatype: 'BYTES', shape: [1, 2], values: ['', 'né"\n'] }];
    const { headers, body } = clientRequest(tensors, (tensor) => tensor.name === 'a', { outputs: [{ name: 's_out' }, { name: 'a_out', parameters: { binary_data: true } }] });
    const response = await post('two', body, headers);
    const { json, blobs } = readAnswer(response.rawPayload, response.headers['inference-header-content-length']);
    expect(json.outputs.map(({ name }) => name)).toEqual(['s_out', 'a_out']);
    expect(json.outputs[0]?.data).toEqual(['', 'né"\n']);
    expect(blobs.get('a_out')?.equals(tensorBytes(tensors[0]!))).toBe(true);
    const one = await post('two', clientRequest(tensors, () => false, { outputs: [{ name: 's_out' }] }).body);
    expect(one.json().outputs).toHaveLength(1);
  });

  test('data before datatype and shape', async () => {
    use({ models: [TWO] });
    const body = '{"inputs":[{"data":["one","two"],"datatype":"BYTES","name":"s","shape":[1,2]},{"name":"a","data":[9007199254740993,1],"shape":[1,2],"datatype":"INT64"}]}';
    const response = await post('two', body);
    expect(response.body).toContain('9007199254740993');
    expect(response.json().outputs[1].data).toEqual(['one', 'two']);
  });

  test('NaN and infinities come back as strings that JSON can hold', async () => {
    use();
    const response = await post('row', '{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[NaN,Infinity,"-Infinity",1e-3]}]}');
    expect(response.json().outputs[0].data).toEqual(['NaN', 'Infinity', '-Infinity', 0.001]);
  });

  test('BYTES that are not UTF-8 can only be answered as binary', async () => {
    const notText = identityModel('odd', [{ name: 's', datatype: 'FP32', shape: [1] }], { batchable: false });
    const model = { ...notText, outputs: [{ name: 's_out', datatype: 'BYTES' as const, shape: [1] }] };
    use({ models: [model] });
    front.pipeline.mode = 'held';
    const pending = post('odd', { inputs: [{ name: 's', shape: [1], datatype: 'FP32', data: [1] }] });
    await expect.poll(() => front.pipeline.submitted.length).toBe(1);
    const [job] = front.pipeline.submitted;
    job!.reply.succeeded({ outputs: [{ name: 's_out', datatype: 'BYTES', shape: [1], data: Buffer.from([1, 0, 0, 0, 0xff]) }], device: 'cpu', batchRows: 1, timings: { queueMs: 0, computeInputMs: 0, computeInferMs: 0, computeOutputMs: 0, totalMs: 0 } });
    for (const lease of job!.leases) lease.release();
    const response = await pending;
    expect(response.statusCode).toBe(400);
    expect(response.json().error).toContain('"binary_data": true');
  });
});

describe('the forms of a body', () => {
  test('a length header equal to the whole length is pure JSON (perf_analyzer sends that)', async () => {
    use();
    const { body } = clientRequest([X], () => false);
    expect((await post('row', body, { 'inference-header-content-length': String(body.length) })).statusCode).toBe(200);
  });

  test('any Content-Type, or none, or nonsense', async () => {
    use();
    const { headers, body } = clientRequest([X]);
    for (const type of ['application/x-www-form-urlencoded', 'application/octet-stream', 'nonsense', '', 'text/html; charset=latin1']) {
      expect((await post('row', body, { ...headers, 'content-type': type })).statusCode).toBe(200);
    }
  });

  test.each([['gzip', gzipSync], ['deflate', deflateSync], ['GZIP', gzipSync], ['identity', (bytes: Buffer) => bytes]] as const)('Content-Encoding: %s', async (encoding, compress) => {
    use();
    const { headers, body } = clientRequest([X]);
    const response = await post('row', compress(body), { ...headers, 'content-encoding': encoding });
    expect(response.json().outputs[0].data).toEqual(X.values);
  });

  test.each([
    ['br', Buffer.from('x'), 415, 'UNSUPPORTED_ENCODING'],
    ['gzip, gzip', Buffer.from('x'), 415, 'UNSUPPORTED_ENCODING'],
    ['gzip', Buffer.from('not gzip at all'), 400, 'BAD_REQUEST'],
    ['gzip', gzipSync('{"inputs":[').subarray(0, 12), 400, 'BAD_REQUEST'],
    ['deflate', deflateRawSync('{}'), 400, 'BAD_REQUEST'],
  ])('a wrong body in %s', async (encoding, body, status, code) => {
    use();
    const response = await post('row', body, { 'content-encoding': encoding });
    expect([response.statusCode, response.json().code]).toEqual([status, code]);
  });

  test('a compression bomb is refused at the bound of what comes out', async () => {
    use({ http: { maxBodyBytes: 1_000_000 } });
    const bomb = gzipSync(Buffer.alloc(50_000_000, ' '));
    expect(bomb.length).toBeLessThan(100_000);
    const response = await post('row', bomb, { 'content-encoding': 'gzip' });
    expect([response.statusCode, response.json().code]).toEqual([413, 'TOO_LARGE']);
  });

  test.each([['gzip', gunzipSync], ['deflate', inflateSync]] as const)('Accept-Encoding: %s; the length header counts JSON before compression', async (encoding, expand) => {
    const model = identityModel('wide', [{ name: 'x', datatype: 'FP32', shape: [-1, 512] }]);
    use({ models: [model] });
    const wide: ClientTensor = { name: 'x', datatype: 'FP32', shape: [1, 512], values: Array.from({ length: 512 }, (_, index) => index) };
    const { headers, body } = clientRequest([wide], () => true, { parameters: { binary_data_output: true } });
    const response = await post('wide', body, { ...headers, 'accept-encoding': `br;q=1, ${encoding};q=0.5` });
    expect(response.headers['content-encoding']).toBe(encoding);
    expect(Number(response.headers['content-length'])).toBe(response.rawPayload.length);
    const { blobs } = readAnswer(expand(response.rawPayload), response.headers['inference-header-content-length']);
    expect(blobs.get('x_out')?.equals(tensorBytes(wide))).toBe(true);
  });

  test('small answers, and those for clients that do not ask, are not compressed', async () => {
    use();
    const { headers, body } = clientRequest([X]);
    for (const accept of ['gzip', 'gzip;q=0', 'br']) {
      expect((await post('row', body, { ...headers, 'accept-encoding': accept })).headers).not.toHaveProperty('content-encoding');
    }
  });
});

describe('raw requests (length header 0)', () => {
  test('the whole body is the only input: one row, open dimension from the length, all outputs binary', async () => {
    const model = identityModel('ragged', [{ name: 'x', datatype: 'INT16', shape: [-1, 2, -1] }]);
    use({ models: [model] });
    const response = await post('ragged', Buffer.from([1, 0, 2, 0, 3, 0, 4, 0]), { 'inference-header-content-length': '0' });
    const { json, blobs } = readAnswer(response.rawPayload, response.headers['inference-header-content-length']);
    expect(json.outputs[0]?.shape).toEqual([1, 2, 2]);
    expect(blobs.get('x_out')?.equals(Buffer.from([1, 0, 2, 0, 3, 0, 4, 0]))).toBe(true);
  });

  test('a BYTES body is one element', async () => {
    use({ models: [identityModel('text', [{ name: 's', datatype: 'BYTES', shape: [-1, 1] }])] });
    const response = await post('text', Buffer.from('héllo'), { 'inference-header-content-length': '0' });
    const { blobs } = readAnswer(response.rawPayload, response.headers['inference-header-content-length']);
    expect(blobs.get('s_out')?.equals(tensorBytes({ datatype: 'BYTES', values: ['héllo'] }))).toBe(true);
  });

  test.each([
    ['a length that no shape has', [identityModel('m', [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }])], 15, /15 bytes came; it takes 16 bytes of FP32/],
    ['two inputs', [identityModel('m', [{ name: 'x', datatype: 'FP32', shape: [-1] }, { name: 'z', datatype: 'FP32', shape: [-1] }])], 4, /needs a model with one input; "m" has 2/],
    ['two open dimensions', [identityModel('m', [{ name: 'x', datatype: 'FP32', shape: [-1, -1, -1] }])], 4, /find out one dimension; input "x" leaves 2 open/],
  ])('%s', async (_, models, bytes, message) => {
    use({ models });
    const response = await post('m', Buffer.alloc(bytes), { 'inference-header-content-length': '0' });
    expect(response.statusCode).toBe(400);
    expect(response.json().error).toMatch(message);
  });
});

describe('classification', () => {
  test('the best classes of each row, as value:index', async () => {
    use();
    const { headers, body } = clientRequest([{ ...X, values: [0.1, 0.9, 0.5, 0.9, -1, -2, -3, NaN] }], () => true, { outputs: [{ name: 'x_out', parameters: { classification: 3 } }] });
    const response = await post('row', body, headers);
    expect(response.json().outputs).toEqual([{ name: 'x_out', datatype: 'BYTES', shape: [2, 3], data: ['0.9:1', '0.9:3', '0.5:2', '-1:0', '-2:1', '-3:2'] }]);
  });

  test('more classes than there are; 64-bit integers exactly; a model without rows', async () => {
    use({ models: [identityModel('m', [{ name: 'x', datatype: 'INT64', shape: [2] }], { batchable: false })] });
    const { body } = clientRequest([{ name: 'x', datatype: 'INT64', shape: [2], values: [1n, 2n ** 62n + 1n] }], () => false, { outputs: [{ name: 'x_out', parameters: { classification: 9 } }] });
    expect((await post('m', body)).json().outputs[0]).toMatchObject({ shape: [2], data: ['4611686018427387905:1', '1:0'] });
  });
});

describe('what the pipeline gets', () => {
  test('defaults, and what headers and parameters ask for', async () => {
    use({ http: { defaultPriority: 7, requestTimeoutMs: 9000 } });
    front.clock.advance(1000);
    const { headers, body } = clientRequest([X]);
    await post('row', body, headers);
    await post('row', body, { ...headers, 'request-timeout': '0.25', 'x-client-id': 'blue', 'x-api-key': '' });
    const given = clientRequest([X], () => true, { parameters: { priority: 2, timeout: 5_000_000 } });
    await post('row', given.body, given.headers);
    await post('row', given.body, { ...given.headers, 'request-timeout': '1' });
    const neutral = clientRequest([X], () => true, { parameters: { priority: 0, timeout: 0, sequence_id: 0 } });
    await post('row', neutral.body, neutral.headers);
    expect(front.pipeline.submitted.map(({ priority, deadlineMs, caller }) => [priority, deadlineMs, caller])).toEqual([
      [7, 10_000, '127.0.0.1'], [7, 1250, 'x-client-id:blue'], [2, 6000, '127.0.0.1'], [2, 2000, '127.0.0.1'], [7, 10_000, '127.0.0.1'],
    ]);
    expect(front.heads.map(({ deadlineMs }) => deadlineMs)).toEqual([10_000, 1250, 10_000, 2000, 10_000]);
    expect(front.heads[0]).toMatchObject({ contentLength: body.length, caller: '127.0.0.1', model: FP32_ROW });
  });

  test('rows of one shape share a lane, whatever their number; inputs without rows along axis 0 have none', async () => {
    const model = identityModel('lanes', [{ name: 'x', datatype: 'FP32', shape: [-1, -1] }, { name: 'y', datatype: 'FP32', shape: [2, -1] }, { name: 's', datatype: 'BYTES', shape: [-1] }], { inputAxes: [0, 1, 0] });
    use({ models: [model] });
    for (const rows of [1, 2, 1]) {
      const tensors: ClientTensor[] = [
        { name: 'x', datatype: 'FP32', shape: [rows, 4], values: Array.from({ length: 4 * rows }, () => 1) },
        { name: 'y', datatype: 'FP32', shape: [2, rows], values: Array.from({ length: 2 * rows }, () => 1) },
        { name: 's', datatype: 'BYTES', shape: [rows], values: Array.from({ length: rows }, () => 'x') },
      ];
      const { headers, body } = clientRequest(tensors);
      expect((await post('lanes', body, headers)).statusCode).toBe(200);
    }
    expect(front.arena.lanes).toEqual(['lanes/1/x/4', 'lanes/1/x/4', 'lanes/1/x/4']);
  });

  test('a duplicate id is refused while its request runs, and free again after it', async () => {
    use();
    front.pipeline.mode = 'held';
    const { headers, body } = clientRequest([X], () => true, { id: 'same' });
    const first = post('row', body, headers);
    await expect.poll(() => front.pipeline.waiting).toBe(1);
    const second = await post('row', body, headers);
    expect([second.statusCode, second.json().code]).toEqual([409, 'DUPLICATE_ID']);
    front.pipeline.run();
    expect((await first).statusCode).toBe(200);
    front.pipeline.mode = 'now';
    expect((await post('row', body, headers)).statusCode).toBe(200);
  });

  test('a version in the path', async () => {
    use({ models: [FP32_ROW, identityModel('row', FP32_ROW.inputs, { version: '2' })] });
    const { headers, body } = clientRequest([X]);
    expect((await post('row', body, headers, '/versions/1')).json().model_version).toBe('1');
    expect((await post('row', body, headers)).json().model_version).toBe('2');
    expect((await post('row', body, headers, '/versions/3')).statusCode).toBe(404);
  });
});

describe('failures after admission', () => {
  test.each([
    [new SluiceError('OVERLOADED', 'too much waits', { retryAfterMs: 2100 }), 503, '3'],
    [new SluiceError('MODEL_FAILED', 'Gather: index 9 is out of bounds'), 422, undefined],
    [new SluiceError('DEADLINE_PASSED', 'it took too long', { retryAfterMs: 1 }), 504, '1'],
  ])('%s', async (error, status, retryAfter) => {
    use();
    front.pipeline.refuseNext = error;
    const { headers, body } = clientRequest([X], () => true, { id: 'mine' });
    const response = await post('row', body, headers);
    expect(response.statusCode).toBe(status);
    expect(response.headers['retry-after']).toBe(retryAfter);
    expect(response.headers['x-request-id']).toBe('mine');
    expect(response.json()).toEqual({ error: error.message, code: error.code, retryable: error.retryable });
    expect(SCHEMAS.Error.parse(response.json())).toBeTruthy();
  });

  test('a bug is a 500 that says nothing, and a log line that says all', async () => {
    use();
    const bug = new Error('the secret path /srv/x');
    front.pipeline.submit = (job) => {
      for (const lease of job.leases) lease.release();
      throw bug;
    };
    const { headers, body } = clientRequest([X]);
    const response = await post('row', body, headers);
    expect(response.statusCode).toBe(500);
    expect(response.body).not.toContain('secret');
    expect(front.logged).toEqual([{ fields: { err: bug }, message: 'internal error' }]);
  });

  test('a full arena is a 503 with the predicted wait; a tensor larger than the arena a 413', async () => {
    const big = identityModel('big', [{ name: 'x', datatype: 'UINT8', shape: [-1, -1] }]);
    use({ models: [big], arena: new HeapArena(100_000) });
    front.pipeline.mode = 'held';
    const request = (length: number) => clientRequest([{ name: 'x', datatype: 'UINT8', shape: [1, length], values: Array.from({ length }, () => 1) }]);
    const held = request(90_000);
    const first = post('big', held.body, held.headers);
    await expect.poll(() => front.pipeline.waiting).toBe(1);
    const full = await post('big', held.body, held.headers);
    expect([full.statusCode, full.json().code, full.headers['retry-after']]).toEqual([503, 'OVERLOADED', '2']);
    const tooLarge = request(100_001);
    expect((await post('big', tooLarge.body, tooLarge.headers)).statusCode).toBe(413);
    front.pipeline.run();
    expect((await first).statusCode).toBe(200);
  });
});

describe('BOOL', () => {
  test('is 0 or 1', async () => {
    use({ models: [FLAGS] });
    const good = clientRequest([{ name: 'f', datatype: 'BOOL', shape: [2], values: [true, false] }]);
    expect((await post('flags', good.body, good.headers)).json().outputs[0].data).toEqual([true, false]);
    good.body[good.body.length - 1] = 2;
    const bad = await post('flags', good.body, good.headers);
    expect(bad.json().error).toBe('input "f": element 1 is 2; BOOL is 0 or 1');
  });
});
