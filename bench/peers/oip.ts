/** What both Node peers share: reading a request and writing an answer as a careful author of such a server would. */
import Fastify from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { announceListening } from './announce.ts';
import { MODEL_NAME, READY_PATH } from '../wire.ts';

const MAX_BODY_BYTES = 16 * 1024 * 1024;
const JSON_HEADER_LENGTH = 'inference-header-content-length';

interface TensorHeader {
  readonly name: string;
  readonly shape: number[];
  readonly data?: number[];
  readonly parameters?: { readonly binary_data_size?: number };
}

/** One FP32 input. Its buffer belongs to nobody else, so it can be transferred to a thread. */
export interface InferInput {
  readonly name: string;
  readonly shape: number[];
  readonly values: Float32Array<ArrayBuffer>;
}

/** One FP32 output. */
export interface InferOutput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** A Fastify server with `POST /v2/models/{model}/infer` (JSON and binary) in front of `infer`. */
export function createServer(infer: (input: InferInput) => Promise<InferOutput>): FastifyInstance {
  const app = Fastify({
    bodyLimit: MAX_BODY_BYTES,
    // Plain JSON.parse: the scan for __proto__ would cost another pass over 540 KB.
    onProtoPoisoning: 'ignore',
    onConstructorPoisoning: 'ignore',
  });
  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) => {
    done(null, body);
  });
  app.get(READY_PATH, () => ({ ready: true }));
  app.post(`/v2/models/${MODEL_NAME}/infer`, async (request, reply) => {
    const headerLength = request.headers[JSON_HEADER_LENGTH];
    const output = await infer(headerLength === undefined ? readJson(request) : readBinary(request, Number(headerLength)));
    return headerLength === undefined ? jsonAnswer(output) : sendBinary(reply, output);
  });
  return app;
}

/** Listens on a free loopback port and says so on stdout. */
export async function listen(app: FastifyInstance): Promise<void> {
  announceListening(await app.listen({ host: '127.0.0.1', port: 0 }));
}

function readJson(request: FastifyRequest): InferInput {
  const { name, shape, data } = firstInput(request.body);
  return { name, shape, values: Float32Array.from(data ?? []) };
}

function readBinary(request: FastifyRequest, headerLength: number): InferInput {
  const body = request.body as Buffer<ArrayBuffer>;
  const { name, shape, parameters } = firstInput(JSON.parse(body.toString('utf8', 0, headerLength)));
  const start = body.byteOffset + headerLength;
  // A copy, as the header leaves the tensor unaligned.
  const bytes = body.buffer.slice(start, start + (parameters?.binary_data_size ?? 0));
  return { name, shape, values: new Float32Array(bytes) };
}

function firstInput(body: unknown): TensorHeader {
  const input = (body as { inputs?: TensorHeader[] } | null)?.inputs?.[0];
  if (input === undefined) throw new Error('the request has no inputs');
  return input;
}

function jsonAnswer({ name, shape, values }: InferOutput): object {
  return { model_name: MODEL_NAME, outputs: [{ name, shape, datatype: 'FP32', data: Array.from(values) }] };
}

function sendBinary(reply: FastifyReply, { name, shape, values }: InferOutput): FastifyReply {
  const parameters = { binary_data_size: values.byteLength };
  const header = JSON.stringify({ model_name: MODEL_NAME, outputs: [{ name, shape, datatype: 'FP32', parameters }] });
  const tensor = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return reply
    .header(JSON_HEADER_LENGTH, Buffer.byteLength(header))
    .type('application/octet-stream')
    .send(Buffer.concat([Buffer.from(header), tensor]));
}
