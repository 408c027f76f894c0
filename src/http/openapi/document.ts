/** The OpenAPI 3.1 document: schemas from zod, one path for each operation, and one with an example for each model that serves. */
import { z } from 'zod';
import type { ServingModel } from '../../contracts/model.ts';
import { elementCount, type TensorSpec } from '../../contracts/tensor.ts';
import { SluiceError } from '../../errors.ts';
import type { HttpContext } from '../context.ts';
import { JSON_TYPE } from '../error-reply.ts';
import { OPERATIONS, type Operation } from './operations.ts';
import { SCHEMAS, type SchemaName } from './schemas.ts';

/** Longest `data` that an example spells out. */
const MAX_EXAMPLE_VALUES = 64;

const components = Object.fromEntries(Object.entries(SCHEMAS).map(([name, schema]) => [name, jsonSchema(schema)]));

export function openApiDocument({ deps, options }: HttpContext): object {
  const generic = Object.entries(OPERATIONS).map(([path, verbs]) => [path, {
    ...(path.includes('{') ? { parameters: pathParameters(path) } : {}),
    ...Object.fromEntries(Object.entries(verbs).map(([verb, operation]) => [verb, describeOperation(operation)])),
  }]);
  const models = deps.repository.index().filter(({ state }) => state === 'READY').flatMap(({ name, version }) => {
    const model = resolved(() => deps.repository.resolve(name, version));
    return model === null ? [] : [[`/v2/models/${encodeURIComponent(name)}/versions/${version}/infer`, { post: modelOperation(model) }]];
  });
  return {
    openapi: '3.1.0',
    info: { title: options.serverName, version: options.serverVersion, description: 'Open Inference Protocol v2 over HTTP, with server-sent events.' },
    paths: Object.fromEntries([...generic, ...models]) as object,
    components: { schemas: components },
  };
}

/** A model may stop serving between the index and here. */
function resolved(resolve: () => ServingModel): ServingModel | null {
  try {
    return resolve();
  } catch (thrown) {
    if (thrown instanceof SluiceError) return null;
    throw thrown;
  }
}

function describeOperation({ summary, takes, gives, type }: Operation): object {
  return {
    summary,
    ...(takes === undefined ? {} : { requestBody: { required: takes === 'InferRequest', content: { [JSON_TYPE]: { schema: reference(takes) } } } }),
    responses: {
      200: {
        description: 'Success.',
        content: {
          [type ?? JSON_TYPE]: gives === null ? {} : { schema: reference(gives) },
          ...(takes === 'InferRequest' ? { 'application/octet-stream': {}, 'text/event-stream': {} } : {}),
        },
      },
      default: { description: 'An error; `code` says which.', content: { [JSON_TYPE]: { schema: reference('Error') } } },
    },
  };
}

function modelOperation(model: ServingModel): object {
  const example = { inputs: model.inputs.map((spec, index) => exampleTensor(spec, model.batching.inputAxes[index] ?? null)) };
  return {
    ...describeOperation({ summary: `Run ${model.name}, version ${model.version}. ${model.batching.reason}`, gives: 'InferResponse' }),
    requestBody: { required: true, content: { [JSON_TYPE]: { schema: reference('InferRequest'), example } } },
  };
}

/** One row of zeros; without values where they would fill a page. */
function exampleTensor({ name, datatype, shape }: TensorSpec, batchAxis: number | null): object {
  const row = shape.map((dimension, axis) => (dimension === -1 || axis === batchAxis ? 1 : dimension));
  const count = elementCount(row) ?? 0;
  const value = datatype === 'BYTES' ? '' : datatype === 'BOOL' ? false : 0;
  return { name, shape: row, datatype, data: count <= MAX_EXAMPLE_VALUES ? Array.from({ length: count }, () => value) : [] };
}

function pathParameters(path: string): object[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
}

function reference(name: SchemaName): object {
  return { $ref: `#/components/schemas/${name}` };
}

function jsonSchema(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return rest;
}
