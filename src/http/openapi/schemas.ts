/** Schemas of what the server answers, for OpenAPI; the contract tests hold real answers against them. */
import { z } from 'zod';
import { DATATYPES } from '../../contracts/tensor.ts';
import { ERROR_TABLE, type ErrorCode } from '../../errors.ts';
import { inferRequestSchema, parametersSchema } from '../codec/envelope.ts';

const datatype = z.enum(DATATYPES);
const shape = z.array(z.int());
const count = z.int().min(0);
const duration = z.object({ count, ns: count });
const codes = Object.keys(ERROR_TABLE) as [ErrorCode, ...ErrorCode[]];

const error = z.object({
  error: z.string().describe('What is wrong, which field, and how to put it right.'),
  code: z.enum(codes),
  retryable: z.boolean().describe('Whether the same request can succeed later.'),
});
const tensorMetadata = z.object({ name: z.string(), datatype, shape: shape.describe('-1 where the size is open, the batch axis included.') });
const outputTensor = z.object({
  name: z.string(),
  datatype,
  shape,
  data: z.array(z.unknown()).optional().describe('Flat, row-major.'),
  parameters: z.object({ binary_data_size: count }).optional(),
});
const modelStatistics = z.object({
  name: z.string(),
  version: z.string(),
  last_inference: count.describe('Milliseconds since the Unix epoch.'),
  inference_count: count,
  execution_count: count,
  inference_stats: z.object({
    success: duration, fail: duration, queue: duration, compute_input: duration, compute_infer: duration, compute_output: duration, cache_hit: duration, cache_miss: duration,
  }),
  response_stats: z.object({}),
  batch_stats: z.array(z.object({ batch_size: count, compute_input: duration, compute_infer: duration, compute_output: duration })),
  memory_usage: z.array(z.unknown()),
  batch_costs: z.array(z.object({
    device: z.string(),
    shape: z.string().describe('Row shapes that share batches; empty for a model of one shape.'),
    best_batch_size: count, max_batch_size: count,
    drift: z.number().describe('What batches take now over what they took at the load.'),
    sizes: z.array(z.object({ batch_size: count, predicted_ms: z.number(), executions: count })),
  })).describe('What the scheduler believes that batches cost, per device and shape that had requests.'),
});
const gpu = z.object({
  index: count, name: z.string(), uuid: z.string(), memory_total_bytes: count, memory_used_bytes: count, utilization_percent: z.number().nullable(),
});
const tensorConfig = z.object({ name: z.string(), data_type: z.string(), dims: shape });

export const SCHEMAS = {
  Error: error,
  Live: z.object({ live: z.boolean() }),
  Ready: z.object({ ready: z.boolean(), error: z.string().optional() }),
  ServerMetadata: z.object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) }),
  ModelList: z.object({ models: z.array(z.string()) }),
  ModelMetadata: z.object({
    name: z.string(), versions: z.array(z.string()), platform: z.string(), inputs: z.array(tensorMetadata), outputs: z.array(tensorMetadata), parameters: parametersSchema.optional(),
  }),
  ModelReady: z.object({ name: z.string(), ready: z.boolean(), error: z.string().optional() }),
  ModelConfig: z.object({
    name: z.string(), platform: z.string(), backend: z.string(), max_batch_size: count, input: z.array(tensorConfig), output: z.array(tensorConfig), dynamic_batching: z.object({}).loose().optional(),
  }),
  Statistics: z.object({ model_stats: z.array(modelStatistics) }),
  InferRequest: inferRequestSchema,
  InferResponse: z.object({ id: z.string().optional(), model_name: z.string(), model_version: z.string(), outputs: z.array(outputTensor) }),
  QueuedEvent: z.object({ request_id: z.string(), position: count, queue_size: count, eta_ms: count.nullable() }),
  StartedEvent: z.object({ request_id: z.string(), device: z.string(), batch_size: count, queue_ms: z.number() }),
  ErrorEvent: error.extend({ request_id: z.string(), status: z.int() }),
  RepositoryIndexRequest: z.object({ ready: z.boolean().optional() }),
  RepositoryIndex: z.array(z.object({ name: z.string(), version: z.string(), state: z.enum(['READY', 'UNAVAILABLE', 'LOADING', 'UNLOADING']), reason: z.string() })),
  Devices: z.object({
    discovery: z.string(),
    devices: z.array(z.object({
      id: z.string(),
      kind: z.enum(['cpu', 'gpu']),
      provider: z.string(),
      state: z.enum(['STARTING', 'READY', 'RESTARTING', 'DOWN', 'STOPPED']),
      slots: count,
      pid: z.int().nullable(),
      restarts: count,
      last_error: z.string().nullable(),
      gpu: gpu.nullable(),
      fallbacks: z.array(z.object({ model: z.string(), reason: z.string() })),
    })),
  }),
  Cancelled: z.object({ id: z.string(), cancelled: z.boolean() }),
  Empty: z.object({}),
} as const satisfies Record<string, z.ZodType>;

export type SchemaName = keyof typeof SCHEMAS;
