/** Bodies of infer requests in every form, built independently of the server's own codec. */
import type { Datatype } from '../../src/contracts/tensor.ts';

export type Value = number | bigint | boolean | string;

export interface ClientTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly values: readonly Value[];
}

const WRITERS: Readonly<Record<Exclude<Datatype, 'BYTES'>, { readonly width: number; readonly write: (view: DataView, at: number, value: Value) => void }>> = {
  BOOL: { width: 1, write: (view, at, value) => view.setUint8(at, value === true ? 1 : 0) },
  UINT8: { width: 1, write: (view, at, value) => view.setUint8(at, Number(value)) },
  UINT16: { width: 2, write: (view, at, value) => view.setUint16(at, Number(value), true) },
  UINT32: { width: 4, write: (view, at, value) => view.setUint32(at, Number(value), true) },
  UINT64: { width: 8, write: (view, at, value) => view.setBigUint64(at, BigInt(value), true) },
  INT8: { width: 1, write: (view, at, value) => view.setInt8(at, Number(value)) },
  INT16: { width: 2, write: (view, at, value) => view.setInt16(at, Number(value), true) },
  INT32: { width: 4, write: (view, at, value) => view.setInt32(at, Number(value), true) },
  INT64: { width: 8, write: (view, at, value) => view.setBigInt64(at, BigInt(value), true) },
  FP16: { width: 2, write: (view, at, value) => view.setUint16(at, Number(value) < 0 ? 0xbc00 : Number(value) > 0 ? 0x3c00 : 0, true) },
  FP32: { width: 4, write: (view, at, value) => view.setFloat32(at, Number(value), true) },
  FP64: { width: 8, write: (view, at, value) => view.setFloat64(at, Number(value), true) },
};

/** Little-endian bytes of a tensor. FP16: only -1, 0 and 1. */
export function tensorBytes({ datatype, values }: Pick<ClientTensor, 'datatype' | 'values'>): Buffer {
  if (datatype === 'BYTES') {
    return Buffer.concat(values.flatMap((value) => {
      const text = Buffer.from(String(value));
      const prefix = Buffer.alloc(4);
      prefix.writeUInt32LE(text.length);
      return [prefix, text];
    }));
  }
  const { width, write } = WRITERS[datatype];
  const bytes = Buffer.alloc(width * values.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  values.forEach((value, index) => write(view, index * width, value));
  return bytes;
}

/** JSON of values, with 64-bit integers in full. */
function jsonValues(values: readonly Value[]): string {
  return `[${values.map((value) => (typeof value === 'bigint' ? value.toString() : Object.is(value, -0) ? '-0' : JSON.stringify(value))).join(',')}]`;
}

export interface ClientRequest {
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

/** A request in which each tensor is JSON or binary as `binary(tensor)` says; `rest` goes into the envelope. */
export function clientRequest(tensors: readonly ClientTensor[], binary: (tensor: ClientTensor) => boolean = () => true, rest: Readonly<Record<string, unknown>> = {}): ClientRequest {
  const blobs: Buffer[] = [];
  const inputs = tensors.map((tensor) => {
    const head = `"name":${JSON.stringify(tensor.name)},"shape":${JSON.stringify(tensor.shape)},"datatype":"${tensor.datatype}"`;
    if (!binary(tensor)) return `{${head},"data":${jsonValues(tensor.values)}}`;
    const bytes = tensorBytes(tensor);
    blobs.push(bytes);
    return `{${head},"parameters":{"binary_data_size":${String(bytes.length)}}}`;
  });
  const others = Object.entries(rest).map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)},`).join('');
  const json = Buffer.from(`{${others}"inputs":[${inputs.join(',')}]}`);
  return {
    headers: blobs.length === 0 ? {} : { 'inference-header-content-length': String(json.length) },
    body: Buffer.concat([json, ...blobs]),
  };
}

export interface ServerAnswer {
  readonly id?: string;
  readonly model_name: string;
  readonly model_version: string;
  readonly outputs: readonly { readonly name: string; readonly datatype: Datatype; readonly shape: readonly number[]; readonly data?: readonly unknown[]; readonly parameters?: { readonly binary_data_size: number } }[];
}

/** An answer taken apart: its JSON, and the bytes of each binary output by name. */
export function readAnswer(body: Buffer, jsonBytes: string | string[] | number | undefined): { readonly json: ServerAnswer; readonly blobs: ReadonlyMap<string, Buffer> } {
  const length = jsonBytes === undefined ? body.length : Number(jsonBytes);
  const json = JSON.parse(body.subarray(0, length).toString()) as ServerAnswer;
  const blobs = new Map<string, Buffer>();
  let at = length;
  for (const output of json.outputs) {
    const size = output.parameters?.binary_data_size;
    if (size === undefined) continue;
    blobs.set(output.name, body.subarray(at, at + size));
    at += size;
  }
  if (at !== body.length) throw new Error(`${String(body.length - at)} bytes behind the last output`);
  return { json, blobs };
}
