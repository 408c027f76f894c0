/** Parameters of the protocol, with the meaning that Triton gives them. What is not offered is refused, never ignored. */
import { SluiceError } from '../../errors.ts';
import type { Parameters, RequestedOutput } from './envelope.ts';
import type { ModelCodec } from './model-codec.ts';
import { quoted } from './text.ts';

/** What the request's own parameters ask for. */
export interface RequestParameters {
  /** 0 is the most urgent; null where the request leaves it open (Triton's priority 0). */
  readonly priority: number | null;
  /** Null for the server's default (Triton's timeout 0). */
  readonly timeoutMs: number | null;
  /** Form of outputs that don't say. */
  readonly binaryOutputs: boolean;
}

/** One output of the response. */
export interface OutputPlan {
  readonly index: number;
  readonly binary: boolean;
  /** Top classes to answer instead of the tensor; 0 for the tensor. */
  readonly classes: number;
}

const NO_PARAMETERS: RequestParameters = { priority: null, timeoutMs: null, binaryOutputs: false };
const SHARED_MEMORY = 'shared_memory_';
const MAX_PRIORITY = 0xffff_ffff;

/** Throws BAD_REQUEST for a wrong value or a reserved name, NOT_SUPPORTED for sequences. */
export function readParameters(parameters: Parameters | undefined): RequestParameters {
  if (parameters === undefined) return NO_PARAMETERS;
  for (const name of Object.keys(parameters)) {
    if (name.startsWith('triton_')) throw new SluiceError('BAD_REQUEST', `parameters: ${quoted(name)} begins with the reserved prefix "triton_"`);
    if (name.startsWith('sequence_') && isGiven(parameters[name])) throw new SluiceError('NOT_SUPPORTED', `parameters: ${quoted(name)}: sequences are not offered; send the state as tensors`);
  }
  const priority = wholeNumber(parameters, 'priority', MAX_PRIORITY);
  const timeoutUs = wholeNumber(parameters, 'timeout', Number.MAX_SAFE_INTEGER);
  return {
    priority: priority === 0 ? null : priority,
    timeoutMs: timeoutUs === null || timeoutUs === 0 ? null : timeoutUs / 1000,
    binaryOutputs: flag(parameters, 'binary_data_output') ?? false,
  };
}

/** Bytes that an input has behind the JSON; null where its data is in the JSON. Throws BAD_TENSOR or NOT_SUPPORTED. */
export function binarySize(parameters: Parameters | undefined, label: string): number | null {
  if (parameters === undefined) return null;
  refuseSharedMemory(parameters, label);
  const size = parameters['binary_data_size'];
  if (size === undefined) return null;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw new SluiceError('BAD_TENSOR', `${label}: binary_data_size is ${JSON.stringify(size)}; it must be a whole number of bytes`);
  }
  return size;
}

/** The outputs to answer: those asked for, in that order, or all. Throws BAD_TENSOR, BAD_REQUEST or NOT_SUPPORTED. */
export function planOutputs(codec: ModelCodec, requested: readonly RequestedOutput[] | undefined, binaryByDefault: boolean): readonly OutputPlan[] {
  if (requested === undefined || requested.length === 0) return allOutputs(codec, binaryByDefault);
  const seen = new Set<number>();
  return requested.map(({ name, parameters }) => {
    const index = codec.output(name);
    const label = `output ${quoted(name)}`;
    if (seen.has(index)) throw new SluiceError('BAD_TENSOR', `${label}: is asked for twice`);
    seen.add(index);
    if (parameters === undefined) return { index, binary: binaryByDefault, classes: 0 };
    refuseSharedMemory(parameters, label);
    const classes = wholeNumber(parameters, 'classification', Number.MAX_SAFE_INTEGER, label) ?? 0;
    const datatype = codec.model.outputs[index]?.datatype;
    if (classes > 0 && (datatype === 'BYTES' || datatype === 'BOOL')) throw new SluiceError('BAD_TENSOR', `${label}: classification needs numbers, and it is ${datatype}`);
    return { index, binary: flag(parameters, 'binary_data', label) ?? binaryByDefault, classes };
  });
}

/** Every output as a tensor, in the model's order. */
function allOutputs(codec: ModelCodec, binary: boolean): readonly OutputPlan[] {
  return codec.model.outputs.map((_, index) => ({ index, binary, classes: 0 }));
}

/** A client that sends Triton's neutral value (0, "", false) asks for nothing. */
function isGiven(value: string | number | boolean | undefined): boolean {
  return value !== undefined && value !== 0 && value !== '' && value !== false;
}

function refuseSharedMemory(parameters: Parameters, label: string): void {
  for (const name of Object.keys(parameters)) {
    if (name.startsWith(SHARED_MEMORY)) throw new SluiceError('NOT_SUPPORTED', `${label}: ${quoted(name)}: shared memory is not offered; send the data in the body`);
  }
}

function wholeNumber(parameters: Parameters, name: string, maximum: number, label = 'parameters'): number | null {
  const value = parameters[name];
  if (value === undefined) return null;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maximum) return value;
  throw new SluiceError('BAD_REQUEST', `${label}: ${name} is ${JSON.stringify(value)}; it must be a whole number from 0 to ${maximum}`);
}

function flag(parameters: Parameters, name: string, label = 'parameters'): boolean | null {
  const value = parameters[name];
  if (value === undefined) return null;
  if (typeof value === 'boolean') return value;
  throw new SluiceError('BAD_REQUEST', `${label}: ${name} is ${JSON.stringify(value)}; it must be true or false`);
}
