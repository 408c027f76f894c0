/** Writes infer responses, and keeps them in a form that can be shown again as an event. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { deflate, gzip } from 'node:zlib';
import type { EventPayload } from '../../contracts/results.ts';
import type { ModelCodec } from '../codec/model-codec.ts';
import type { EncodedResponse, ResponseEncoder } from '../codec/response-encoder.ts';
import { JSON_TYPE } from '../error-reply.ts';
import { bytesPayload } from '../sse/payload.ts';

/** Below this, compression costs more than it saves. */
const COMPRESSED_FROM_BYTES = 1024;
/** zlib's fastest level: 110 KB of JSON floats take 2 ms with it, 9 ms with the default. */
const COMPRESSION_LEVEL = 1;

/** Sends a response, compressed where the client asked for it and it pays. `onError`: compression failed, nothing was sent. */
export function sendAnswer(
  response: ServerResponse, { body, jsonBytes }: EncodedResponse, headerId: string, encoding: 'gzip' | 'deflate' | null, closing: boolean,
): void {
  const headers: OutgoingHttpHeaders = {
    'Content-Type': jsonBytes === null ? JSON_TYPE : 'application/octet-stream',
    'Content-Length': body.length,
    'X-Request-Id': headerId,
  };
  if (jsonBytes !== null) headers['Inference-Header-Content-Length'] = jsonBytes;
  if (closing) headers['Connection'] = 'close';
  if (encoding === null || body.length < COMPRESSED_FROM_BYTES) {
    response.writeHead(200, headers);
    response.end(body);
    return;
  }
  headers['Vary'] = 'Accept-Encoding';
  const compress = encoding === 'gzip' ? gzip : deflate;
  compress(body, { level: COMPRESSION_LEVEL }, (error, compressed) => {
    if (error === null) {
      headers['Content-Encoding'] = encoding;
      headers['Content-Length'] = compressed.length;
    }
    response.writeHead(200, headers);
    response.end(error === null ? compressed : body);
  });
}

/** The answer as the data of a `result` event: JSON, made only when somebody reads it. */
export function resultPayload(encoder: ResponseEncoder, codec: ModelCodec, id: string | null, encoded: EncodedResponse): EventPayload {
  if (encoded.jsonBytes === null) return bytesPayload(encoded.body);
  return { byteLength: encoded.body.length, json: () => encoder.toJson(codec, id, encoded.outputs) };
}
