/** The data of events, rendered when it is read. */
import type { EventPayload } from '../../contracts/results.ts';
import type { SluiceError } from '../../errors.ts';
import { errorBody } from '../error-reply.ts';

/** Memory of a small object with a few numbers and short strings. */
const SMALL_OBJECT_BYTES = 128;

/** `value`: a small object, kept as it is until somebody reads it. */
export function smallPayload(value: object): EventPayload {
  return { byteLength: SMALL_OBJECT_BYTES, json: () => Buffer.from(JSON.stringify(value)) };
}

/** Unlike a connection error of EventSource, which lands on the same listener, it has data: with `code` and `status`. */
export function errorPayload(requestId: string, error: SluiceError): EventPayload {
  return smallPayload({ request_id: requestId, ...errorBody(error), status: error.status });
}

/** An answer that was JSON from the start. */
export function bytesPayload(json: Buffer): EventPayload {
  return { byteLength: json.length, json: () => json };
}
