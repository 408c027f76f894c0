/** From files on the command line to requests. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Datatype } from '../../contracts/tensor.ts';
import type { ImageInput } from '../../repository/model-json.ts';
import { CommandError, UsageError } from '../io.ts';
import { renderShape } from '../table.ts';
import { imageTensor } from './image-tensor.ts';
import { nestedShape } from './nested.ts';
import { isNpy, readNpy } from './npy.ts';
import { decodePicture, isPicture } from './picture.ts';

/** What GET /v2/models/{m} says of an input. */
export interface ModelInput {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

export interface InputModel {
  readonly name: string;
  readonly inputs: readonly ModelInput[];
  readonly image: ImageInput | null;
}

/** A request as it goes out: JSON, followed by the bytes of the tensors that are not in it. */
export interface InferRequest {
  /** What people call it: the file. */
  readonly title: string;
  readonly json: string;
  readonly binary: readonly Uint8Array[];
}

interface TensorPart {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: { readonly json: string } | { readonly bytes: Uint8Array };
}

/**
 * One request for each file; with `input=file` arguments, one request of them all. Throws UsageError for arguments and
 * CommandError for files that make no request.
 */
export async function readRequests(args: readonly string[], model: InputModel): Promise<readonly InferRequest[]> {
  const named = args.map((argument) => splitArgument(argument, model));
  if (named.every(({ input }) => input === null)) return Promise.all(args.map((path) => readRequest(path, model)));
  const plain = named.find(({ input }) => input === null);
  if (plain !== undefined) throw new UsageError(`${plain.path}: either every argument names its input (input=file), or none does`);
  const parts = await Promise.all(named.map(({ input, path }) => withPath(path, async () => tensorPart(await open(path), model, input))));
  return [request(named.map(({ path }) => basename(path)).join(', '), parts)];
}

/** `input=path`, where the model has such an input; a path may hold a "=" of its own. */
function splitArgument(argument: string, model: InputModel): { readonly input: ModelInput | null; readonly path: string } {
  const input = model.inputs.find(({ name }) => argument.startsWith(`${name}=`)) ?? null;
  return { input, path: input === null ? argument : argument.slice(input.name.length + 1) };
}

function readRequest(path: string, model: InputModel): Promise<InferRequest> {
  return withPath(path, async () => {
    const bytes = await open(path);
    const text = isNpy(bytes) || isPicture(bytes) ? null : bytes.toString('utf8').trim();
    if (text?.startsWith('{') === true) return { title: path, json: text, binary: [] };
    return request(path, [tensorPart(bytes, model, null)]);
  });
}

function tensorPart(bytes: Buffer, model: InputModel, named: ModelInput | null): TensorPart {
  if (isPicture(bytes)) return picturePart(bytes, model, named);
  const input = named ?? onlyInput(model);
  if (isNpy(bytes)) {
    const { datatype, shape, data } = readNpy(bytes);
    if (datatype !== input.datatype) throw new CommandError(`the .npy array is ${datatype}, but input ${input.name} takes ${input.datatype}`);
    return { name: input.name, datatype, shape: fullShape(shape, input), data: { bytes: data } };
  }
  const json = bytes.toString('utf8').trim();
  return { name: input.name, datatype: input.datatype, shape: fullShape(nestedShape(json), input), data: { json } };
}

function picturePart(bytes: Buffer, model: InputModel, named: ModelInput | null): TensorPart {
  const { image } = model;
  if (image === null) throw new CommandError(`${model.name} doesn't describe an image input in its model.json: give it a tensor (.npy or .json)`);
  const input = model.inputs.find(({ name }) => name === (named?.name ?? image.input));
  if (input === undefined) throw new CommandError(`${model.name} has no input ${image.input}, which its model.json describes`);
  if (input.datatype !== 'FP32') throw new CommandError(`pictures become FP32, but input ${input.name} takes ${input.datatype}`);
  const { shape, values } = imageTensor(decodePicture(bytes), image);
  return { name: input.name, datatype: 'FP32', shape: [1, ...shape], data: { bytes: new Uint8Array(values.buffer) } };
}

function onlyInput({ name, inputs }: InputModel): ModelInput {
  const [input, ...others] = inputs;
  if (input !== undefined && others.length === 0) return input;
  throw new CommandError(`${name} has ${inputs.length} inputs: name them, ${inputs.map((each) => `${each.name}=FILE`).join(' ')}, or give a whole request as JSON`);
}

/** The file's shape, with a batch axis in front where it holds a single row. */
function fullShape(shape: readonly number[], input: ModelInput): readonly number[] {
  if (shape.length === input.shape.length) return shape;
  if (shape.length === input.shape.length - 1 && (input.shape[0] === -1 || input.shape[0] === 1)) return [1, ...shape];
  throw new CommandError(`the file's shape is ${renderShape(shape)}, but input ${input.name} takes ${renderShape(input.shape)}`);
}

function request(title: string, parts: readonly TensorPart[]): InferRequest {
  const inputs = parts.map(({ name, datatype, shape, data }) => {
    const head = JSON.stringify({ name, datatype, shape }).slice(0, -1);
    // JSON stays as it was written: numbers beyond 2^53 would not survive being parsed.
    return 'json' in data ? `${head},"data":${data.json}}` : `${head},"parameters":{"binary_data_size":${data.bytes.byteLength}}}`;
  });
  return { title, json: `{"inputs":[${inputs.join()}]}`, binary: parts.flatMap(({ data }) => ('bytes' in data ? [data.bytes] : [])) };
}

async function open(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new CommandError(code === 'ENOENT' ? 'there is no such file' : `can't be read (${code})`, { cause: error });
  }
}

/** Puts the file's name before what is wrong with it. */
async function withPath<Result>(path: string, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof CommandError) throw new CommandError(`${path}: ${error.message}`, { cause: error });
    throw error;
  }
}
