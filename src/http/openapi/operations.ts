/** One line for each operation: what it does, what it takes and gives. Paths are OpenAPI's: `{model}` for `:model`. */
import type { SchemaName } from './schemas.ts';

export interface Operation {
  readonly summary: string;
  readonly takes?: SchemaName;
  /** Schema of the JSON answer; null for another content type, named in `type`. */
  readonly gives: SchemaName | null;
  readonly type?: string;
}

type Operations = Readonly<Record<string, Readonly<Partial<Record<'get' | 'post' | 'delete', Operation>>>>>;

const MODEL: Operations = {
  '': { get: { summary: 'Inputs, outputs and versions of a model', gives: 'ModelMetadata' } },
  '/ready': { get: { summary: 'Whether a model serves', gives: 'ModelReady' } },
  '/config': { get: { summary: "A model's configuration, with Triton's field names", gives: 'ModelConfig' } },
  '/stats': { get: { summary: 'What a model has done since the start', gives: 'Statistics' } },
  '/infer': {
    post: {
      summary: 'Run a model. With Accept: text/event-stream the answer is a stream of the events queued, started, and result or error',
      takes: 'InferRequest',
      gives: 'InferResponse',
    },
  },
};

const SHARED_MEMORY: Operations = {
  '/status': { get: { summary: 'Registered regions: none, shared memory is not offered', gives: null } },
  '/unregister': { post: { summary: 'Does nothing', gives: 'Empty' } },
  '/region/{region}/status': { get: { summary: 'Not offered (501)', gives: 'Empty' } },
  '/region/{region}/register': { post: { summary: 'Not offered (501)', gives: 'Empty' } },
  '/region/{region}/unregister': { post: { summary: 'Does nothing', gives: 'Empty' } },
};

function under(prefix: string, operations: Operations): Operations {
  return Object.fromEntries(Object.entries(operations).map(([path, verbs]) => [prefix + path, verbs]));
}

export const OPERATIONS: Operations = {
  '/v2': { get: { summary: 'Name, version and extensions of the server', gives: 'ServerMetadata' } },
  '/v2/health/live': { get: { summary: 'Whether the server runs', gives: 'Live' } },
  '/v2/health/ready': { get: { summary: 'Whether the server serves', gives: 'Ready' } },
  '/v2/models': { get: { summary: 'Names of all models', gives: 'ModelList' } },
  '/v2/models/stats': { get: { summary: 'What all models have done since the start', gives: 'Statistics' } },
  ...under('/v2/models/{model}', MODEL),
  ...under('/v2/models/{model}/versions/{version}', MODEL),
  '/v2/repository/index': { post: { summary: 'Every version of every model, and how it stands', takes: 'RepositoryIndexRequest', gives: 'RepositoryIndex' } },
  '/v2/repository/models/{model}/load': { post: { summary: 'Read a model folder again; answers when it serves', gives: 'Empty' } },
  '/v2/repository/models/{model}/unload': { post: { summary: 'Stop serving a model; answers when its accepted work is done', gives: 'Empty' } },
  '/v2/requests/{id}': { delete: { summary: 'Withdraw a request', gives: 'Cancelled' } },
  '/v2/requests/{id}/events': { get: { summary: 'Events of a request, after Last-Event-ID; 204 when the last one was seen', gives: null, type: 'text/event-stream' } },
  '/v2/devices': { get: { summary: 'Devices and how they stand', gives: 'Devices' } },
  ...under('/v2/systemsharedmemory', SHARED_MEMORY),
  ...under('/v2/cudasharedmemory', SHARED_MEMORY),
  '/metrics': { get: { summary: 'Prometheus metrics', gives: null, type: 'text/plain' } },
  '/openapi.json': { get: { summary: 'This document', gives: 'Empty' } },
};
