/** The parts of the server's answers that the command line reads, checked as they come in. */
import { DATATYPES, type Datatype } from '../contracts/tensor.ts';
import { CommandError } from './io.ts';

export interface WireTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

export interface WireOutput extends WireTensor {
  /** Flat, row-major. */
  readonly data: readonly unknown[];
}

export interface InferResponse {
  readonly model_name: string;
  readonly outputs: readonly WireOutput[];
}

type Fields = Readonly<Record<string, unknown>>;

/** An object's fields. Throws CommandError for anything else: then this is not our server. */
export function fieldsOf(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unexpected('an object', value);
  return value as Fields;
}

function readTensor(value: unknown): WireTensor {
  const { name, datatype, shape } = fieldsOf(value);
  const known = DATATYPES.find((each) => each === datatype);
  if (typeof name !== 'string' || known === undefined || !isNumbers(shape)) throw unexpected('a tensor', value);
  return { name, datatype: known, shape };
}

export function readTensors(value: unknown): readonly WireTensor[] {
  return listOf(value).map(readTensor);
}

export function readResponse(value: unknown): InferResponse {
  const { model_name: model, outputs } = fieldsOf(value);
  if (typeof model !== 'string') throw unexpected('an answer', value);
  return { ...fieldsOf(value), model_name: model, outputs: listOf(outputs).map((output) => ({ ...fieldsOf(output), ...readTensor(output), data: listOf(fieldsOf(output)['data']) })) };
}

/** `{"key": {"string_value": "JSON"}}` → the parsed JSON by key. What isn't JSON is text. */
export function readParameters(value: unknown): ReadonlyMap<string, unknown> {
  if (value === undefined) return new Map();
  return new Map(Object.entries(fieldsOf(value)).map(([key, each]) => [key, parseOrText(fieldsOf(each)['string_value'])]));
}

/** The server's own words in an error body; null when there are none. */
export function readError(value: unknown): string | null {
  const message = typeof value === 'object' && value !== null && 'error' in value ? value.error : null;
  return typeof message === 'string' ? message : null;
}

function parseOrText(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw unexpected('a list', value);
  return value;
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'number');
}

function unexpected(wanted: string, found: unknown): CommandError {
  return new CommandError(`the server's answer is not Open Inference Protocol: ${wanted} was expected, not ${JSON.stringify([found]).slice(1, -1).slice(0, 80)}`);
}
