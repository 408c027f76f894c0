/**
 * The runtime behind one small interface, and its implementation with onnxruntime-node, which only this file imports: a
 * native engine on the same library (one session for all threads, pinned memory, cancellation) can be a second one.
 */
import * as ort from 'onnxruntime-node';
import type { Datatype, TensorSpec } from '../../contracts/tensor.ts';
import type { Provider } from '../discovery.ts';

/** Elements of a tensor: a typed array in the machine's order, or strings for BYTES. */
export type Elements = Exclude<ort.Tensor['data'], readonly string[]> | readonly string[];

export interface EngineTensor {
  readonly shape: readonly number[];
  readonly data: Elements;
}

export interface EngineModel {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Names of dynamic dimensions by input, '' for unnamed and fixed ones: hints for probing, never proof. */
  readonly dimensionNames: readonly (readonly string[])[];
  /** Runs on inputs by position and returns outputs by position. Synchronous in this thread while it computes. */
  run(inputs: readonly EngineTensor[]): Promise<readonly EngineTensor[]>;
  release(): Promise<void>;
}

export interface Engine {
  /** Loads from a path, so that external data beside the model is found. Rejects with the runtime's own message. */
  load(path: string): Promise<EngineModel>;
}

const DATATYPE_OF: Readonly<Partial<Record<ort.Tensor.Type, Datatype>>> = {
  bool: 'BOOL', uint8: 'UINT8', uint16: 'UINT16', uint32: 'UINT32', uint64: 'UINT64', int8: 'INT8', int16: 'INT16',
  int32: 'INT32', int64: 'INT64', float16: 'FP16', float32: 'FP32', float64: 'FP64', string: 'BYTES',
};

const TYPE_OF: Readonly<Record<Datatype, ort.Tensor.Type>> = {
  BOOL: 'bool', UINT8: 'uint8', UINT16: 'uint16', UINT32: 'uint32', UINT64: 'uint64', INT8: 'int8', INT16: 'int16',
  INT32: 'int32', INT64: 'int64', FP16: 'float16', FP32: 'float32', FP64: 'float64', BYTES: 'string',
};

/**
 * One thread a session: on two cores 2 workers × 1 thread gave 2,055 items/s, 1 × 2 gave 784, and 2 × 2 with spinning 642.
 * Only errors are logged: a warning a run would fill the log.
 */
const SESSION_OPTIONS = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
  extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
} as const;

/**
 * A GPU host sees one GPU only (CUDA_VISIBLE_DEVICES), which is therefore device 0. 'cuda' alone means that operators CUDA
 * lacks run on the CPU, while a CUDA that doesn't work is an error.
 */
export function createEngine(provider: Provider): Engine {
  const executionProviders = [provider === 'cuda' ? { name: 'cuda', deviceId: 0 } : { name: provider }];
  return {
    async load(path) {
      return new OrtModel(await ort.InferenceSession.create(path, { ...SESSION_OPTIONS, executionProviders }));
    },
  };
}

class OrtModel implements EngineModel {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly dimensionNames: readonly (readonly string[])[];
  private readonly session: ort.InferenceSession;
  private readonly inputTypes: readonly ort.Tensor.Type[];

  constructor(session: ort.InferenceSession) {
    this.session = session;
    this.inputs = session.inputMetadata.map((value) => specOf('input', value));
    this.outputs = session.outputMetadata.map((value) => specOf('output', value));
    this.inputTypes = this.inputs.map(({ datatype }) => TYPE_OF[datatype]);
    this.dimensionNames = session.inputMetadata.map((value) => (value.isTensor ? value.shape.map((size) => (typeof size === 'string' ? size : '')) : []));
  }

  async run(inputs: readonly EngineTensor[]): Promise<readonly EngineTensor[]> {
    const feeds: Record<string, ort.Tensor> = {};
    for (const [index, { name }] of this.inputs.entries()) {
      const { data, shape } = inputs[index]!;
      feeds[name] = new ort.Tensor(this.inputTypes[index]!, data, shape);
    }
    const results = await this.session.run(feeds);
    return this.outputs.map(({ name }) => {
      const { data, dims } = results[name]!;
      return { data, shape: dims };
    });
  }

  release(): Promise<void> {
    return this.session.release();
  }
}

function specOf(kind: 'input' | 'output', value: ort.InferenceSession.ValueMetadata): TensorSpec {
  if (!value.isTensor) throw new Error(`${kind} "${value.name}" is a sequence or a map; Sluice serves tensors only`);
  const datatype = DATATYPE_OF[value.type];
  if (datatype === undefined) throw new Error(`${kind} "${value.name}" has type ${value.type}, which the Open Inference Protocol cannot carry`);
  return { name: value.name, datatype, shape: value.shape.map((size) => (typeof size === 'number' ? size : -1)) };
}
