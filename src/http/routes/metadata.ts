/** What the server and its models are. */
import { SluiceError } from '../../errors.ts';
import type { BatchAxis, ServingModel } from '../../contracts/model.ts';
import type { ModelConfigView } from '../../contracts/stages.ts';
import type { Datatype, TensorSpec } from '../../contracts/tensor.ts';
import type { HttpContext } from '../context.ts';
import { errorBody } from '../error-reply.ts';
import { modelPaths, ok, type Route, type RouteRequest } from './route.ts';

/** Only what works. */
const EXTENSIONS = ['classification', 'model_repository', 'schedule_policy', 'model_configuration', 'binary_tensor_data', 'parameters', 'statistics'];
const BACKEND = 'onnxruntime';

export function metadataRoutes({ deps: { repository }, options }: HttpContext): readonly Route[] {
  const resolve = ({ params }: RouteRequest): ServingModel => repository.resolve(params['model'] ?? '', params['version']);
  return [
    { path: '/v2', methods: { GET: () => ok({ name: options.serverName, version: options.serverVersion, extensions: EXTENSIONS }) } },
    { path: '/v2/models', methods: { GET: () => ok({ models: [...new Set(repository.index().map(({ name }) => name))] }) } },
    ...modelPaths('').map((path): Route => ({
      path,
      methods: {
        GET: (request) => {
          const model = resolve(request);
          const { platform } = repository.config(model.name, model.version);
          return ok(modelMetadata(model, platform, repository.versions(model.name)));
        },
      },
    })),
    ...modelPaths('/ready').map((path): Route => ({
      path,
      methods: {
        GET: (request) => {
          try {
            return ok({ name: resolve(request).name, ready: true });
          } catch (thrown) {
            if (!(thrown instanceof SluiceError) || thrown.status !== 503) throw thrown;
            return { status: 503, value: { name: request.params['model'], ready: false, ...errorBody(thrown) } };
          }
        },
      },
    })),
    ...modelPaths('/config').map((path): Route => ({
      path,
      methods: {
        GET: (request) => {
          const model = resolve(request);
          return ok(modelConfig(model, repository.config(model.name, model.version)));
        },
      },
    })),
  ];
}

function modelMetadata(model: ServingModel, platform: string, versions: readonly string[]): object {
  const { inputAxes, outputAxes } = model.batching;
  return {
    name: model.name,
    versions,
    platform,
    inputs: model.inputs.map((spec, index) => tensorMetadata(spec, inputAxes[index])),
    outputs: model.outputs.map((spec, index) => tensorMetadata(spec, outputAxes[index])),
    parameters: { batchable: model.batching.batchable, batching_reason: model.batching.reason },
  };
}

function tensorMetadata({ name, datatype, shape }: TensorSpec, batchAxis: BatchAxis | undefined): object {
  return { name, datatype, shape: shape.map((dimension, axis) => (axis === batchAxis ? -1 : dimension)) };
}

/**
 * Triton's configuration. Its max_batch_size means that axis 0 of every input and output counts rows, and then `dims` leave
 * it out; a model that batches in any other way is shown with 0 and whole shapes, which is how clients can use it.
 */
function modelConfig(model: ServingModel, view: ModelConfigView): object {
  const { batchable, inputAxes, outputAxes } = model.batching;
  const rowsFirst = batchable && view.maxBatchSize > 0 && [...inputAxes, ...outputAxes].every((axis) => axis === 0);
  const tensor = ({ name, datatype, shape }: TensorSpec): object => ({ name, data_type: tritonType(datatype), dims: rowsFirst ? shape.slice(1) : shape });
  return {
    name: model.name,
    platform: view.platform,
    backend: BACKEND,
    version_policy: { all: {} },
    max_batch_size: rowsFirst ? view.maxBatchSize : 0,
    input: view.inputs.map((spec) => ({ ...tensor(spec), format: 'FORMAT_NONE' })),
    output: view.outputs.map(tensor),
    ...(batchable ? { dynamic_batching: dynamicBatching(view) } : {}),
    ...(view.parameters === undefined ? {} : { parameters: Object.fromEntries(Object.entries(view.parameters).map(([key, value]) => [key, { string_value: value }])) }),
  };
}

function dynamicBatching({ preferredBatchSizes, maxQueueDelayMs }: ModelConfigView): object {
  return {
    ...(preferredBatchSizes === null ? {} : { preferred_batch_size: preferredBatchSizes }),
    ...(maxQueueDelayMs === null ? {} : { max_queue_delay_microseconds: Math.round(maxQueueDelayMs * 1000) }),
  };
}

function tritonType(datatype: Datatype): string {
  return datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`;
}
