/** Every route but infer, held against the schemas of the OpenAPI document. */
import { afterEach, describe, expect, test } from 'vitest';
import type { DeviceStatus } from '../../../src/contracts/device.ts';
import type { ModelStatistics } from '../../../src/contracts/stages.ts';
import { SluiceError } from '../../../src/errors.ts';
import { SCHEMAS, type SchemaName } from '../../../src/http/openapi/schemas.ts';
import { createFront, FP32_ROW, identityModel, type Front, type FrontOptions } from '../../support/http-front.ts';

const SECOND = identityModel('row', FP32_ROW.inputs, { version: '2' });
const FIXED = identityModel('fixed', [{ name: 's', datatype: 'BYTES', shape: [1, 4] }], { batchable: false });
const COLUMNS = identityModel('columns', [{ name: 'x', datatype: 'FP16', shape: [4, 7] }], { inputAxes: [1] });
const MODELS = [FP32_ROW, SECOND, FIXED, COLUMNS];

let front: Front;
function use(options: FrontOptions = {}): Front {
  front = createFront({ models: MODELS, ...options });
  return front;
}
afterEach(async () => {
  await front.app.close();
});

/** Status and JSON, which must fit the schema, with a Content-Type that KServe's client reads. */
async function ask(method: 'GET' | 'POST' | 'DELETE', url: string, schema: SchemaName, payload?: string | object, headers: Record<string, string> = {}) {
  const response = await front.app.inject({ method, url, headers, ...(payload === undefined ? {} : { payload: typeof payload === 'string' ? payload : JSON.stringify(payload) }) });
  expect(response.headers['content-type']).toBe('application/json');
  const body = response.json();
  expect(SCHEMAS[schema].safeParse(body)).toMatchObject({ success: true });
  return { status: response.statusCode, body, headers: response.headers };
}

describe('health', () => {
  test('live, and ready with the reason when it is not', async () => {
    use();
    expect(await ask('GET', '/v2/health/live', 'Live')).toMatchObject({ status: 200, body: { live: true } });
    expect(await ask('GET', '/v2/health/ready', 'Ready')).toMatchObject({ status: 200, body: { ready: true } });
    front.health.reason = 'the server is stopping';
    expect(await ask('GET', '/v2/health/ready', 'Ready')).toMatchObject({ status: 503, body: { ready: false, error: 'the server is stopping' } });
    expect(await ask('GET', '/v2/health/live', 'Live')).toMatchObject({ status: 200 });
  });

  test('a model: ready, not ready, unknown', async () => {
    use();
    expect(await ask('GET', '/v2/models/row/ready', 'ModelReady')).toMatchObject({ status: 200, body: { name: 'row', ready: true } });
    expect(await ask('GET', '/v2/models/row/versions/2/ready', 'ModelReady')).toMatchObject({ status: 200 });
    expect(await ask('GET', '/v2/models/row/versions/9/ready', 'Error')).toMatchObject({ status: 404, body: { code: 'UNKNOWN_MODEL' } });
    front.repository.notServing.set('row', new SluiceError('MODEL_UNAVAILABLE', 'no device could load it'));
    expect(await ask('GET', '/v2/models/row/ready', 'ModelReady')).toMatchObject({ status: 503, body: { name: 'row', ready: false, error: 'no device could load it' } });
  });
});

describe('metadata', () => {
  test('the server, and only extensions that work', async () => {
    use({ http: { serverVersion: '9.9.9' } });
    const { body } = await ask('GET', '/v2', 'ServerMetadata');
    expect(body).toMatchObject({ name: 'sluice', version: '9.9.9' });
    expect(body.extensions).not.toContain('system_shared_memory');
    expect((await ask('GET', '/v2/models', 'ModelList')).body).toEqual({ models: ['row', 'fixed', 'columns'] });
  });

  test('a model: -1 on the batch axis, wherever it is', async () => {
    use();
    const { body } = await ask('GET', '/v2/models/row', 'ModelMetadata');
    expect(body).toMatchObject({ name: 'row', versions: ['1', '2'], platform: 'onnxruntime_onnx', inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }], outputs: [{ name: 'x_out', datatype: 'FP32', shape: [-1, 4] }] });
    expect((await ask('GET', '/v2/models/columns', 'ModelMetadata')).body.inputs[0].shape).toEqual([4, -1]);
    expect((await ask('GET', '/v2/models/fixed/versions/1', 'ModelMetadata')).body.inputs[0].shape).toEqual([1, 4]);
    expect(await ask('GET', '/v2/models/nope', 'Error')).toMatchObject({ status: 404 });
  });

  test('a configuration as perf_analyzer reads it: dims without the batch axis where max_batch_size is above 0', async () => {
    use();
    expect((await ask('GET', '/v2/models/row/config', 'ModelConfig')).body).toEqual({
      name: 'row', platform: 'onnxruntime_onnx', backend: 'onnxruntime', version_policy: { all: {} }, max_batch_size: 32,
      input: [{ name: 'x', data_type: 'TYPE_FP32', dims: [4], format: 'FORMAT_NONE' }],
      output: [{ name: 'x_out', data_type: 'TYPE_FP32', dims: [4] }],
      dynamic_batching: { preferred_batch_size: [4, 8], max_queue_delay_microseconds: 2000 },
      parameters: { description: { string_value: 'an identity' } },
    });
    const fixed = (await ask('GET', '/v2/models/fixed/config', 'ModelConfig')).body;
    expect(fixed).toMatchObject({ max_batch_size: 0, input: [{ data_type: 'TYPE_STRING', dims: [1, 4] }] });
    expect(fixed).not.toHaveProperty('dynamic_batching');
  });

  test('a model that batches along another axis is shown with whole shapes', async () => {
    use();
    expect((await ask('GET', '/v2/models/columns/config', 'ModelConfig')).body).toMatchObject({ max_batch_size: 0, input: [{ data_type: 'TYPE_FP16', dims: [4, 7] }] });
  });
});

describe('statistics', () => {
  const leaf = (count: number) => ({ count, ns: count * 1000.4 });
  const stats: ModelStatistics = {
    name: 'row', version: '2', lastInferenceMs: 1_700_000_000_123.4, inferenceCount: 5, executionCount: 2,
    success: leaf(3), fail: leaf(1), queue: leaf(3), computeInput: leaf(2), computeInfer: leaf(2), computeOutput: leaf(2),
    batches: [{ batchSize: 4, computeInput: leaf(1), computeInfer: leaf(1), computeOutput: leaf(1) }],
  };

  test('every key, as integers, also for a model that has done nothing', async () => {
    use({ statistics: (key) => (key === 'row/2' ? stats : null) });
    const { body } = await ask('GET', '/v2/models/stats', 'Statistics');
    expect(body.model_stats.map(({ name, version }: { name: string; version: string }) => `${name}/${version}`)).toEqual(['row/1', 'row/2', 'fixed/1', 'columns/1']);
    expect(body.model_stats[1]).toMatchObject({ last_inference: 1_700_000_000_123, inference_count: 5, inference_stats: { success: { count: 3, ns: 3001 }, cache_hit: { count: 0, ns: 0 } }, batch_stats: [{ batch_size: 4, compute_infer: { count: 1, ns: 1000 } }] });
    expect(body.model_stats[0].inference_stats).toMatchObject({ success: { count: 0, ns: 0 }, cache_miss: { count: 0, ns: 0 } });
  });

  test('what the scheduler believes that batches cost', async () => {
    const sizes = [{ rows: 1, ms: 1.02345, batches: 7 }, { rows: 4, ms: 3.6, batches: 2 }];
    use({ costs: (key) => (key === 'row/2' ? [{ device: 'cpu', bucket: '', bestRows: 4, maxRows: 32, drift: 1.10049, sizes }] : []) });
    const { body } = await ask('GET', '/v2/models/row/stats', 'Statistics');
    expect(body.model_stats[0].batch_costs).toEqual([]);
    expect(body.model_stats[1].batch_costs).toEqual([{
      device: 'cpu', shape: '', best_batch_size: 4, max_batch_size: 32, drift: 1.1,
      sizes: [{ batch_size: 1, predicted_ms: 1.023, executions: 7 }, { batch_size: 4, predicted_ms: 3.6, executions: 2 }],
    }]);
  });

  test('one model, one version', async () => {
    use();
    expect((await ask('GET', '/v2/models/row/stats', 'Statistics')).body.model_stats).toHaveLength(2);
    expect((await ask('GET', '/v2/models/row/versions/1/stats', 'Statistics')).body.model_stats).toHaveLength(1);
    expect(await ask('GET', '/v2/models/nope/stats', 'Error')).toMatchObject({ status: 404 });
  });
});

describe('repository', () => {
  test('the index, with and without a body', async () => {
    use();
    front.repository.notServing.set('fixed', new SluiceError('MODEL_UNAVAILABLE', 'file is truncated'));
    expect((await ask('POST', '/v2/repository/index', 'RepositoryIndex')).body).toHaveLength(4);
    expect((await ask('POST', '/v2/repository/index', 'RepositoryIndex', {})).body).toContainEqual({ name: 'fixed', version: '1', state: 'UNAVAILABLE', reason: 'file is truncated' });
    expect((await ask('POST', '/v2/repository/index', 'RepositoryIndex', { ready: true }, { 'content-type': 'application/x-www-form-urlencoded' })).body).toHaveLength(3);
  });

  test('load and unload', async () => {
    use();
    expect(await ask('POST', '/v2/repository/models/row/load', 'Empty', '{}')).toMatchObject({ status: 200 });
    expect(await ask('POST', '/v2/repository/models/row/unload', 'Empty', { parameters: { unload_dependents: false } })).toMatchObject({ status: 200 });
    expect(await ask('POST', '/v2/repository/models/nope/load', 'Error')).toMatchObject({ status: 404 });
    expect(await ask('POST', '/v2/repository/models/row/load', 'Error', { parameters: { config: '{}' } })).toMatchObject({ status: 501 });
    expect(await ask('POST', '/v2/repository/models/row/unload', 'Error', { parameters: { unload_dependents: true } })).toMatchObject({ status: 501 });
    expect(front.repository.calls).toEqual(['load row', 'unload row', 'load nope']);
  });

  test.each([
    ['not JSON', '{', 400, 'BAD_JSON'], ['an array', '[]', 400, 'BAD_REQUEST'], ['a wrong type', '{"ready":3}', 400, 'BAD_REQUEST'], ['too large', `{"x":"${'y'.repeat(70_000)}"}`, 413, 'TOO_LARGE'],
  ])('a body that is %s', async (_, payload, status, code) => {
    use();
    expect(await ask('POST', '/v2/repository/index', 'Error', payload)).toMatchObject({ status, body: { code } });
    expect(await ask('POST', '/v2/repository/index', 'Error', payload, { 'content-type': 'no such type' })).toMatchObject({ status, body: { code } });
  });
});

describe('operations', () => {
  const gpu: DeviceStatus = {
    id: 'gpu:0', kind: 'gpu', provider: 'cuda', state: 'DOWN', slots: 1, pid: null, restarts: 3, lastError: 'CUDA error 719',
    gpu: { index: 0, name: 'A100', uuid: 'GPU-1', memoryTotalBytes: 10, memoryUsedBytes: 5, utilizationPercent: null }, fallbacks: [{ model: 'row/1', reason: 'out of memory' }],
  };

  test('devices', async () => {
    use({ devices: [gpu, { ...gpu, id: 'cpu', kind: 'cpu', gpu: null, fallbacks: [], pid: 7, lastError: null, state: 'READY' }] });
    const { body } = await ask('GET', '/v2/devices', 'Devices');
    expect(body).toMatchObject({ discovery: expect.stringContaining('no GPU'), devices: [{ id: 'gpu:0', last_error: 'CUDA error 719', gpu: { memory_total_bytes: 10 } }, { id: 'cpu', pid: 7, gpu: null }] });
  });

  test('metrics in the format that is asked for', async () => {
    use();
    const plain = await front.app.inject('/metrics');
    expect([plain.statusCode, plain.headers['content-type'], plain.body]).toEqual([200, 'text/plain; version=0.0.4', 'sluice_up 1\n']);
    expect((await front.app.inject({ url: '/metrics', headers: { accept: 'application/openmetrics-text' } })).headers['content-type']).toBe('application/openmetrics-text');
  });

  test('shared memory: nothing is registered, nothing can be', async () => {
    use();
    for (const kind of ['system', 'cuda']) {
      const status = await front.app.inject(`/v2/${kind}sharedmemory/status`);
      expect([status.statusCode, status.json()]).toEqual([200, []]);
      expect(await ask('POST', `/v2/${kind}sharedmemory/unregister`, 'Empty')).toMatchObject({ status: 200 });
      expect(await ask('POST', `/v2/${kind}sharedmemory/region/r/register`, 'Error', {})).toMatchObject({ status: 501, body: { code: 'NOT_SUPPORTED' } });
      expect(await ask('GET', `/v2/${kind}sharedmemory/region/r/status`, 'Error')).toMatchObject({ status: 501 });
    }
  });
});

describe('paths and verbs', () => {
  test.each([['GET', '/'], ['GET', '/v3'], ['POST', '/v2/models/row/nope'], ['DELETE', '/v2/nope?x=/v2']] as const)('%s %s is unknown', async (method, url) => {
    use();
    expect(await ask(method, url, 'Error')).toMatchObject({ status: 404, body: { code: 'UNKNOWN_ROUTE', retryable: false } });
  });

  test.each([
    ['POST', '/v2', 'GET, HEAD'], ['GET', '/v2/models/row/infer', 'POST'], ['GET', '/v2/models/row/versions/1/infer?a=b', 'POST'], ['DELETE', '/v2/health/live', 'GET, HEAD'],
    ['PUT', '/v2/repository/index', 'POST'], ['OPTIONS', '/metrics', 'GET, HEAD'], ['PROPFIND', '/v2/devices', 'GET, HEAD'], ['HEAD', '/v2/requests/x/events', 'GET'],
  ])('%s %s is not allowed', async (method, url, allow) => {
    use();
    const response = await front.app.inject({ method: method as 'GET', url });
    expect([response.statusCode, response.headers['allow']]).toEqual([405, allow]);
    if (method !== 'HEAD') expect(response.json()).toMatchObject({ code: 'METHOD_NOT_ALLOWED' });
  });

  test('HEAD on what GET answers', async () => {
    use();
    expect((await front.app.inject({ method: 'HEAD', url: '/v2/health/ready' })).statusCode).toBe(200);
  });

  test('a repository that throws a bug is a 500 without its text', async () => {
    use();
    front.repository.resolve = () => {
      throw new TypeError('x of undefined');
    };
    expect(await ask('GET', '/v2/models/row', 'Error')).toMatchObject({ status: 500, body: { code: 'INTERNAL', error: expect.not.stringContaining('undefined') } });
    expect(front.logged).toHaveLength(1);
  });
});
