/**
 * The one exchange that every server in the benchmark speaks: Open Inference Protocol v2 over HTTP, as JSON or with
 * binary tensors (`Inference-Header-Content-Length`), in the form that tritonclient sends.
 */
import { IMAGE_BYTES, IMAGE_CHANNELS, IMAGE_HEIGHT, IMAGE_WIDTH } from './inputs/images.ts';

export type WireFormat = 'binary' | 'json';

export const MODEL_NAME = 'text-orientation';
export const INPUT_NAME = 'x';
export const OUTPUT_NAME = 'softmax_0.tmp_0';
export const INFER_PATH = `/v2/models/${MODEL_NAME}/infer`;
export const READY_PATH = '/v2/health/ready';
export const ROW_SHAPE: readonly number[] = [1, IMAGE_CHANNELS, IMAGE_HEIGHT, IMAGE_WIDTH];

/** Answers differ by up to 1e-6 between batch sizes and libraries; a wrong row differs by 2e-3 in 99 % of all pairs. */
const ANSWER_TOLERANCE = 1e-3;

const BINARY_HEADER = Buffer.from(
  JSON.stringify({
    inputs: [{ name: INPUT_NAME, shape: ROW_SHAPE, datatype: 'FP32', parameters: { binary_data_size: IMAGE_BYTES } }],
    outputs: [{ name: OUTPUT_NAME, parameters: { binary_data: true } }],
  }),
);

/** Headers of a request in this format, without Content-Length. */
export function requestHeaders(format: WireFormat): Record<string, string> {
  return format === 'json'
    ? { 'Content-Type': 'application/json' }
    : { 'Content-Type': 'application/octet-stream', 'Inference-Header-Content-Length': String(BINARY_HEADER.length) };
}

/** Body of a binary request: the JSON header, then the row as little-endian FP32. */
export function binaryBody(row: Float32Array): Buffer {
  return Buffer.concat([BINARY_HEADER, Buffer.from(row.buffer, row.byteOffset, row.byteLength)]);
}

/** Body of a JSON request: about 540 KB, numbers as JavaScript and Python print a float32 widened to a double. */
export function jsonBody(row: Float32Array): Buffer {
  const data = Array.from(row);
  return Buffer.from(JSON.stringify({ inputs: [{ name: INPUT_NAME, shape: ROW_SHAPE, datatype: 'FP32', data }] }));
}

/**
 * Reads the two probabilities out of a 200 answer.
 *
 * @param headerLength value of `Inference-Header-Content-Length`; undefined where the answer is plain JSON.
 * @throws Error when the answer is not what the protocol asks for.
 */
export function readAnswer(headerLength: number | undefined, body: Buffer): readonly number[] {
  if (headerLength !== undefined) {
    if (body.length !== headerLength + 8) {
      throw new Error(`the answer holds ${body.length - headerLength} bytes of tensors, expected 8`);
    }
    return [body.readFloatLE(headerLength), body.readFloatLE(headerLength + 4)];
  }
  const answer = JSON.parse(body.toString()) as { outputs?: { name?: string; data?: unknown }[] };
  const output = answer.outputs?.find(({ name }) => name === OUTPUT_NAME);
  if (!Array.isArray(output?.data)) throw new Error(`the answer has no output named ${OUTPUT_NAME}`);
  return output.data.flat(Infinity) as number[];
}

/** Says what is wrong with an answer, or null when every value is within {@link ANSWER_TOLERANCE}. */
export function compareAnswer(actual: readonly number[], expected: readonly number[]): string | null {
  const same = actual.length === expected.length
    && expected.every((value, index) => Math.abs(value - (actual[index] ?? NaN)) <= ANSWER_TOLERANCE);
  return same ? null : `expected [${expected.join(', ')}], got [${actual.join(', ')}]`;
}
