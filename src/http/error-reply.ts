/** The one mapping from errors to HTTP answers. Content-Type is exactly `application/json`: KServe's client reads no other. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { SluiceError, toSluiceError } from '../errors.ts';
import type { Log } from './ports.ts';

export const JSON_TYPE = 'application/json';

export interface ErrorBody {
  readonly error: string;
  readonly code: string;
  readonly retryable: boolean;
}

export function errorBody(error: SluiceError): ErrorBody {
  return { error: error.message, code: error.code, retryable: error.retryable };
}

/** Whole seconds, rounded up, at least 1; null where the error does not know. */
export function retryAfterSeconds({ retryAfterMs }: SluiceError): number | null {
  return retryAfterMs === null || !Number.isFinite(retryAfterMs) ? null : Math.max(1, Math.ceil(retryAfterMs / 1000));
}

/** Writes the answer to a raw response; `close` ends the connection after it. */
export function writeError(response: ServerResponse, error: SluiceError, extra: OutgoingHttpHeaders = {}): Buffer {
  const body = Buffer.from(JSON.stringify(errorBody(error)));
  const retryAfter = retryAfterSeconds(error);
  response.writeHead(error.status, {
    'Content-Type': JSON_TYPE,
    'Content-Length': body.length,
    ...(retryAfter === null ? {} : { 'Retry-After': retryAfter }),
    ...extra,
  });
  return body;
}

/** Codes of Fastify's own errors that have a row in the table; its other 4xx are BAD_REQUEST. */
const FASTIFY_CODES: Readonly<Record<number, SluiceError['code']>> = { 404: 'UNKNOWN_ROUTE', 405: 'METHOD_NOT_ALLOWED', 408: 'REQUEST_TIMEOUT', 413: 'TOO_LARGE' };

/** Anything thrown in a route. What is nobody's mistake but ours is logged with its cause, and says nothing of it to the client. */
export function toHttpError(thrown: unknown, log: Log): SluiceError {
  const clientError = fromFastify(thrown);
  if (clientError !== null) return clientError;
  const error = toSluiceError(thrown);
  if (error.code === 'INTERNAL') log.error({ err: error.cause ?? error }, 'internal error');
  return error;
}

function fromFastify(thrown: unknown): SluiceError | null {
  if (!(thrown instanceof Error) || !('statusCode' in thrown) || typeof thrown.statusCode !== 'number') return null;
  const { statusCode, message } = thrown;
  if (statusCode < 400 || statusCode > 499) return null;
  return new SluiceError(FASTIFY_CODES[statusCode] ?? 'BAD_REQUEST', message);
}
