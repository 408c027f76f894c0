/** What an infer request's headers say, before its body is read. */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { SluiceError } from '../../errors.ts';
import type { BodyFraming } from '../codec/body-reader.ts';
import { counted } from '../codec/text.ts';

export type BodyEncoding = 'identity' | 'gzip' | 'deflate';

const ENCODINGS: Readonly<Record<string, BodyEncoding>> = { '': 'identity', 'identity': 'identity', 'gzip': 'gzip', 'x-gzip': 'gzip', 'deflate': 'deflate' };
const EVENT_STREAM = 'text/event-stream';

/** Throws UNSUPPORTED_ENCODING. `deflate` is the zlib format, as HTTP says and clients send. */
export function contentEncoding(headers: IncomingHttpHeaders): BodyEncoding {
  const value = headers['content-encoding'];
  if (value === undefined) return 'identity';
  const encoding = ENCODINGS[value.trim().toLowerCase()];
  if (encoding === undefined) throw new SluiceError('UNSUPPORTED_ENCODING', `Content-Encoding: ${JSON.stringify(value)} is not supported; send gzip, deflate or identity`);
  return encoding;
}

/** Bytes of the body on the wire; null where it comes in chunks. Node has checked the header; no header and no chunks is 0. */
export function contentLength(headers: IncomingHttpHeaders): number | null {
  if (headers['transfer-encoding'] !== undefined) return null;
  const value = headers['content-length'];
  return value === undefined ? 0 : Number(value);
}

/** Throws BAD_HEADER for an Inference-Header-Content-Length that is no number or above the body's length. */
export function bodyFraming(headers: IncomingHttpHeaders, encoding: BodyEncoding, onWire: number | null): BodyFraming {
  const length = encoding === 'identity' ? onWire : null;
  const value = headers['inference-header-content-length'];
  if (value === undefined) return { jsonBytes: null, length };
  if (typeof value !== 'string' || !/^\d{1,15}$/.test(value)) {
    throw new SluiceError('BAD_HEADER', `Inference-Header-Content-Length: ${JSON.stringify(value)} is not a number of bytes`);
  }
  const jsonBytes = Number(value);
  if (length !== null && jsonBytes > length) {
    throw new SluiceError('BAD_HEADER', `Inference-Header-Content-Length is ${jsonBytes}, but the body has only ${counted(length, 'byte')}`);
  }
  return { jsonBytes, length };
}

/** Request-Timeout, in seconds (fractions allowed), as milliseconds; null where there is none. Throws BAD_HEADER. */
export function requestTimeoutMs(headers: IncomingHttpHeaders): number | null {
  const value = headers['request-timeout'];
  if (value === undefined) return null;
  const seconds = typeof value === 'string' && /^\d{1,9}(\.\d{1,9})?$/.test(value) ? Number(value) : 0;
  if (seconds <= 0) throw new SluiceError('BAD_HEADER', `Request-Timeout: ${JSON.stringify(value)} is not a number of seconds above 0`);
  return seconds * 1000;
}

/** Whether the client asks for server-sent events. */
export function wantsEvents(headers: IncomingHttpHeaders): boolean {
  const { accept } = headers;
  if (accept?.includes('event-stream') !== true) return false;
  return accept.split(',').some((range) => {
    const [type = '', ...parameters] = range.split(';');
    return type.trim().toLowerCase() === EVENT_STREAM && quality(parameters) > 0;
  });
}

/** The encoding to answer in: what the client likes best, gzip before deflate; null for none. */
export function acceptedEncoding(headers: IncomingHttpHeaders): 'gzip' | 'deflate' | null {
  const accept = headers['accept-encoding'];
  if (typeof accept !== 'string') return null;
  let best: 'gzip' | 'deflate' | null = null;
  let bestQuality = 0;
  for (const range of accept.split(',')) {
    const [name = '', ...parameters] = range.split(';');
    const encoding = name.trim().toLowerCase();
    const own = quality(parameters);
    if ((encoding === 'gzip' || encoding === 'deflate') && (own > bestQuality || (own === bestQuality && own > 0 && encoding === 'gzip'))) {
      best = encoding;
      bestQuality = own;
    }
  }
  return best;
}

function quality(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    const [name = '', value = ''] = parameter.split('=');
    if (name.trim().toLowerCase() === 'q') return Number(value.trim()) || 0;
  }
  return 1;
}

/** A client that waits for `100 Continue` before it sends its body (curl does for large ones). */
export function expectsContinue(request: IncomingMessage): boolean {
  const { expect } = request.headers;
  return expect?.toLowerCase() === '100-continue';
}

/** Headers that say whose request it is, the strongest first. */
const CALLER_HEADERS = ['x-api-key', 'authorization', 'x-client-id'] as const;
/** Longer names are kept as a digest: they stay in memory as long as anything of their caller waits. */
const MAX_CALLER_LENGTH = 128;

/** Whose request this is, for fairness: its API key, else the id that it gives itself, else its address. Never logged. */
export function callerOf({ headers, socket }: IncomingMessage): string {
  for (const name of CALLER_HEADERS) {
    const value = headers[name];
    if (typeof value !== 'string' || value === '') continue;
    const caller = `${name}:${value}`;
    return caller.length <= MAX_CALLER_LENGTH ? caller : createHash('sha256').update(caller).digest('base64');
  }
  return socket.remoteAddress ?? 'unknown';
}
