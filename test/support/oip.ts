/** Requests and answers of the Open Inference Protocol, as a client makes and reads them. */
import { seededRandom } from './random.ts';

export interface InferAnswer {
  readonly id?: string;
  readonly model_name: string;
  readonly model_version: string;
  readonly outputs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly number[]; readonly data: readonly number[] }[];
}

/** Headers and body with one FP32 tensor as binary, and a JSON answer asked for. */
export function binaryRequest(name: string, shape: readonly number[], values: Float32Array, extra: object = {}): { headers: Record<string, string>; body: Uint8Array<ArrayBuffer> } {
  const json = Buffer.from(JSON.stringify({ ...extra, inputs: [{ name, shape, datatype: 'FP32', parameters: { binary_data_size: values.byteLength } }] }));
  const body = new Uint8Array(json.length + values.byteLength);
  body.set(json);
  body.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), json.length);
  return { headers: { 'Inference-Header-Content-Length': String(json.length) }, body };
}

/** Posts one FP32 tensor; resolves with status and parsed body, whatever the status. */
export async function infer(url: string, model: string, shape: readonly number[], values: Float32Array, extra: object = {}, input = 'x'): Promise<{ status: number; answer: InferAnswer & { error?: string; code?: string } }> {
  const response = await fetch(`${url}/v2/models/${model}/infer`, { method: 'POST', ...binaryRequest(input, shape, values, extra) });
  return { status: response.status, answer: (await response.json()) as InferAnswer & { error?: string; code?: string } };
}

/** Numbers that depend on nothing but the seed, in [-1, 1). */
export function noise(seed: number, length: number): Float32Array<ArrayBuffer> {
  const random = seededRandom(seed);
  return Float32Array.from({ length }, () => random() * 2 - 1);
}
