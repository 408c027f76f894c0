/**
 * Answers a request whose body has not been read, or not to its end. The body is in the way of the next request:
 * - none, or all of it there: nothing to do, the connection lives on;
 * - the client waits for `100 Continue`: it sends nothing, so the connection closes and no byte is lost;
 * - at most `drainBytes`: it is dropped as it comes, which is cheaper than a new connection (110 KB cost 30 µs);
 * - larger, or of unknown length: `Connection: close`. Closing at once would reset the connection, and the client might never
 *   see the answer (it is still writing); so the answer goes out whole, and bytes are dropped for `lingerMs` before the end.
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Clock } from '../../contracts/clock.ts';
import type { SluiceError } from '../../errors.ts';
import { writeError } from '../error-reply.ts';
import { contentLength, expectsContinue } from './negotiate.ts';

export interface RefusalOptions {
  readonly drainBytes: number;
  readonly lingerMs: number;
  /** True where the connection closes anyway. */
  readonly closing: boolean;
  /** True when `100 Continue` has been sent, so that the body is on its way. */
  readonly continued: boolean;
}

/** Does nothing where the connection is gone. */
export function refuse(request: IncomingMessage, response: ServerResponse, error: SluiceError, clock: Clock, options: RefusalOptions, headers: OutgoingHttpHeaders = {}): void {
  if (response.destroyed || response.headersSent) return;
  const length = contentLength(request.headers);
  const arrived = request.complete || length === 0;
  const unsent = !options.continued && expectsContinue(request);
  const drains = arrived || (!unsent && length !== null && length <= options.drainBytes);
  if (drains || unsent) {
    const body = writeError(response, error, options.closing || !drains ? { ...headers, Connection: 'close' } : headers);
    response.end(body);
    if (!unsent) request.resume();
    return;
  }
  response.write(writeError(response, error, { ...headers, Connection: 'close' }));
  linger(request, response, clock, options.lingerMs);
}

function linger(request: IncomingMessage, response: ServerResponse, clock: Clock, lingerMs: number): void {
  const finish = (): void => {
    cancel();
    request.off('end', finish);
    response.off('close', finish);
    response.end();
  };
  const cancel = clock.after(lingerMs, finish);
  request.once('end', finish);
  response.once('close', finish);
  request.resume();
}
