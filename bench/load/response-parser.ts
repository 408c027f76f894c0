/** One HTTP/1.1 response, as far as the generators need it. */
export interface ParsedResponse {
  readonly status: number;
  /** Valid until the next `push`: it may point into the buffer that the socket reads into. */
  readonly body: Buffer;
  /** `Inference-Header-Content-Length`, where the answer has one. */
  readonly inferenceHeaderLength: number | undefined;
  /** False when the server closes the connection after this response. */
  readonly keepAlive: boolean;
}

const END_OF_HEAD = '\r\n\r\n';
const MAX_HEAD_BYTES = 64 * 1024;

/**
 * Parses responses that carry a Content-Length, which is all that an inference answer needs and costs a few
 * microseconds; anything else is an error, never a guess. One response at a time: nobody pipelines here.
 */
export class ResponseParser {
  #pending: Buffer | null = null;

  /**
   * Takes what the socket read.
   *
   * @returns the response once it is complete, else null.
   * @throws Error for a response that it cannot read, or for bytes after its end.
   */
  push(chunk: Buffer): ParsedResponse | null {
    const bytes = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk]);
    const response = parseResponse(bytes);
    // The socket reads into the same buffer again, so what is kept must be a copy; concat has made one already.
    if (response === null) this.#pending = this.#pending === null ? Buffer.from(bytes) : bytes;
    else this.#pending = null;
    return response;
  }
}

function parseResponse(bytes: Buffer): ParsedResponse | null {
  const endOfHead = bytes.indexOf(END_OF_HEAD);
  if (endOfHead < 0) {
    if (bytes.length > MAX_HEAD_BYTES) throw new Error('response head above 64 KiB');
    return null;
  }
  const head = bytes.toString('latin1', 0, endOfHead).toLowerCase();
  const status = /^http\/1\.[01] (\d{3})/.exec(head)?.[1];
  if (status === undefined) throw new Error(`not an HTTP/1 response: ${JSON.stringify(head.slice(0, 60))}`);
  const length = readHeader(head, 'content-length');
  if (length === undefined) throw new Error('response without Content-Length');
  const start = endOfHead + END_OF_HEAD.length;
  const end = start + Number(length);
  if (bytes.length < end) return null;
  if (bytes.length > end) throw new Error(`${bytes.length - end} bytes after the end of a response`);
  const inferenceHeaderLength = readHeader(head, 'inference-header-content-length');
  return {
    status: Number(status),
    body: bytes.subarray(start, end),
    inferenceHeaderLength: inferenceHeaderLength === undefined ? undefined : Number(inferenceHeaderLength),
    keepAlive: readHeader(head, 'connection') !== 'close' && !head.startsWith('http/1.0'),
  };
}

/** @param head lower-case. */
function readHeader(head: string, name: string): string | undefined {
  const start = head.indexOf(`\r\n${name}:`);
  if (start < 0) return undefined;
  const from = start + name.length + 3;
  const end = head.indexOf('\r\n', from);
  return head.slice(from, end < 0 ? undefined : end).trim();
}
