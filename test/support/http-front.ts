/** The HTTP front on fakes: everything that it is given, and the fakes themselves to look at. */
import type { FastifyInstance } from 'fastify';
import type { DeviceStatus } from '../../src/contracts/device.ts';
import type { Clock } from '../../src/contracts/clock.ts';
import type { ModelKey, ServingModel } from '../../src/contracts/model.ts';
import type { RequestStore } from '../../src/contracts/results.ts';
import type { ModelEntry, ModelRepository, ModelStatistics, RequestHead } from '../../src/contracts/stages.ts';
import type { Datatype } from '../../src/contracts/tensor.ts';
import { SluiceError } from '../../src/errors.ts';
import type { HttpDeps, HttpOptions } from '../../src/http/ports.ts';
import { buildServer } from '../../src/http/server.ts';
import { loadNative } from '../../src/native/load.ts';
import type { NativeModule } from '../../src/native/contract.ts';
import { createRequestStore } from '../../src/results/store.ts';
import { FakeClock } from './fake-clock.ts';
import { FakePipeline } from './fake-pipeline.ts';
import { HeapArena } from './heap-arena.ts';

const { module: native } = loadNative('auto');

interface IdentityOptions {
  readonly batchable?: boolean;
  readonly version?: string;
  readonly inputAxes?: readonly (number | null)[];
}

/** A model whose outputs are its inputs. Batches along axis 0 unless `batchable` is false. */
export function identityModel(
  name: string,
  tensors: readonly { readonly name: string; readonly datatype: Datatype; readonly shape: readonly number[] }[],
  { batchable = true, version = '1', inputAxes = tensors.map(() => 0) }: IdentityOptions = {},
): ServingModel {
  const axes = tensors.map((_, index) => (batchable ? (inputAxes[index] ?? null) : null));
  return {
    key: `${name}/${version}`,
    name,
    version,
    inputs: tensors,
    outputs: tensors.map((tensor) => ({ ...tensor, name: `${tensor.name}_out` })),
    batching: { batchable, reason: batchable ? 'rows come out the same alone and together' : 'the model was told not to', inputAxes: axes, outputAxes: axes },
    policy: { maxBatchSize: null, maxQueueDelayMs: null, preferredBatchSizes: null },
    concurrency: null,
    dynamicShapes: false,
  };
}

export class FakeRepository implements ModelRepository {
  readonly models: ServingModel[];
  readonly calls: string[] = [];
  /** State of models that don't serve, by name. */
  readonly notServing = new Map<string, SluiceError>();

  constructor(models: readonly ServingModel[]) {
    this.models = [...models];
  }

  index(): readonly ModelEntry[] {
    return this.models.map(({ name, version }) => {
      const why = this.notServing.get(name);
      return { name, version, state: why === undefined ? 'READY' : 'UNAVAILABLE', reason: why?.message ?? '' };
    });
  }

  resolve(name: string, version?: string): ServingModel {
    const why = this.notServing.get(name);
    if (why !== undefined) throw why;
    const found = this.models.findLast((model) => model.name === name && (version === undefined || model.version === version));
    if (found === undefined) throw new SluiceError('UNKNOWN_MODEL', `no model "${name}"${version === undefined ? '' : ` in version ${version}`}`);
    return found;
  }

  async load(name: string): Promise<void> {
    this.calls.push(`load ${name}`);
    this.resolve(name);
  }

  async unload(name: string): Promise<void> {
    this.calls.push(`unload ${name}`);
    this.resolve(name);
  }

  versions(name: string): readonly string[] {
    return this.models.filter((model) => model.name === name).map(({ version }) => version);
  }

  config(name: string, version?: string): ReturnType<ModelRepository['config']> {
    const model = this.resolve(name, version);
    return {
      name, platform: 'onnxruntime_onnx', maxBatchSize: model.batching.batchable ? 32 : 0, maxQueueDelayMs: 2, preferredBatchSizes: [4, 8],
      inputs: model.inputs, outputs: model.outputs, parameters: { description: 'an identity' },
    };
  }
}

export interface Front {
  readonly app: FastifyInstance;
  readonly arena: HeapArena;
  readonly clock: FakeClock;
  readonly pipeline: FakePipeline;
  readonly repository: FakeRepository;
  readonly results: RequestStore;
  readonly refused: { readonly model: ModelKey | null; readonly error: SluiceError }[];
  /** Heads that admission has seen. */
  readonly heads: RequestHead[];
  readonly logged: { readonly fields: object; readonly message: string }[];
  readonly admission: { error: SluiceError | null; tickets: number };
  readonly health: { reason: string };
}

export interface FrontOptions {
  readonly models?: readonly ServingModel[];
  readonly http?: Partial<HttpOptions>;
  readonly arena?: HeapArena;
  readonly native?: NativeModule;
  readonly keepResults?: boolean;
  readonly statistics?: (key: ModelKey) => ModelStatistics | null;
  readonly costs?: HttpDeps['costs'];
  readonly devices?: readonly DeviceStatus[];
  /** Where timers must really run. */
  readonly timers?: Clock;
}

export const FP32_ROW = identityModel('row', [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }]);

export function createFront({ models = [FP32_ROW], http = {}, arena = new HeapArena(), native: module = native, keepResults = true, statistics = () => null, costs = () => [], devices = [], timers }: FrontOptions = {}): Front {
  const clock = new FakeClock();
  const pipeline = new FakePipeline(arena);
  const repository = new FakeRepository(models);
  const results = createRequestStore(clock, { maxAgeMs: 60_000, maxBytes: keepResults ? 16 * 1024 * 1024 : 0, maxEntries: 10_000 });
  const refused: Front['refused'] = [];
  const heads: RequestHead[] = [];
  const logged: Front['logged'] = [];
  const admission: Front['admission'] = { error: null, tickets: 0 };
  const health: Front['health'] = { reason: '' };
  const log = (fields: object, message: string): void => void logged.push({ fields, message });
  const deps: HttpDeps = {
    admission: {
      admit(head) {
        heads.push(head);
        if (admission.error !== null) throw admission.error;
        admission.tickets += 1;
        let held = true;
        return {
          release() {
            if (!held) throw new Error('an admission ticket was released twice');
            held = false;
            admission.tickets -= 1;
          },
        };
      },
    },
    arena,
    clock: timers ?? clock,
    costs,
    devices: { devices: () => devices, discovery: () => 'no GPU: libnvidia-ml.so.1 is not there' },
    health: { ready: () => health.reason === '', reason: () => health.reason },
    log: { debug: log, warn: log, error: log },
    metrics: async (accept) => ({ contentType: accept?.includes('openmetrics') === true ? 'application/openmetrics-text' : 'text/plain; version=0.0.4', body: 'sluice_up 1\n' }),
    native: module,
    observer: { refused: (event) => void refused.push(event) },
    pipeline,
    repository,
    results,
    statistics: { of: statistics },
  };
  return { app: buildServer(deps, http), arena, clock, pipeline, repository, results, refused, heads, logged, admission, health };
}
