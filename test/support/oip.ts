/** Requests and answers of the Open Inference Protocol, as a client makes and reads them. */

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

/** Numbers that depend on nothing but the seed: mulberry32, in [-1, 1). */
export function noise(seed: number, length: number): Float32Array<ArrayBuffer> {
  let state = seed >>> 0;
  return Float32Array.from({ length }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2_147_483_648 - 1;
  });
}
