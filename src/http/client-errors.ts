/** Answers what is no HTTP request, or did not arrive in time, in the words of every other error. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { SluiceError } from '../errors.ts';
import { JSON_TYPE, errorBody } from './error-reply.ts';

/** What Node's parser and timers report, beyond malformed requests. 431 and 413 have no row in the error table: they are about the envelope of HTTP itself. */
const PARSER_ERRORS: Readonly<Record<string, { readonly code: SluiceError['code']; readonly status: number; readonly message: string }>> = {
  HPE_HEADER_OVERFLOW: { code: 'BAD_HEADER', status: 431, message: 'the headers are larger than 16 KiB' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { code: 'TOO_LARGE', status: 413, message: 'the chunk extensions of the body are larger than 16 KiB' },
  ERR_HTTP_REQUEST_TIMEOUT: { code: 'REQUEST_TIMEOUT', status: 408, message: 'the request did not arrive in time' },
};

interface SocketInUse extends Socket {
  /** Node's own: the response that is being written on this connection. */
  readonly _httpMessage?: { readonly headersSent: boolean } | null;
}

/** For http.Server's 'clientError'. Writes nothing into the middle of a response. */
export function answerClientError(error: Error & { readonly code?: string }, socket: SocketInUse): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket._httpMessage?.headersSent === true) {
    socket.destroy();
    return;
  }
  const known = PARSER_ERRORS[error.code ?? ''];
  const failure = new SluiceError(known?.code ?? 'BAD_REQUEST', known?.message ?? `this is not an HTTP request: ${error.message}`);
  const status = known?.status ?? failure.status;
  const body = JSON.stringify(errorBody(failure));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\nContent-Type: ${JSON_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
