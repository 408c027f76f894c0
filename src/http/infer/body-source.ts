/** Feeds a request's body, decompressed and bounded, to whoever reads it. */
import type { IncomingMessage } from 'node:http';
import { createGunzip, createInflate } from 'node:zlib';
import { SluiceError } from '../../errors.ts';
import { tooLarge } from '../codec/body-reader.ts';
import type { BodyEncoding } from './negotiate.ts';

/** Called in order: any number of chunks, then end or failed, once. Nothing after stop(). */
export interface BodySink {
  chunk(bytes: Buffer): void;
  end(): void;
  failed(error: SluiceError): void;
}

/** Starts reading. Returns `stop`, which drops the rest; the connection's end is not told here. */
export function readBody(request: IncomingMessage, encoding: BodyEncoding, maxBytes: number, sink: BodySink): () => void {
  return encoding === 'identity' ? readPlain(request, sink) : readCompressed(request, encoding, maxBytes, sink);
}

function readPlain(request: IncomingMessage, sink: BodySink): () => void {
  let stopped = false;
  request.on('data', (chunk: Buffer) => {
    if (!stopped) sink.chunk(chunk);
  });
  request.on('end', () => {
    if (!stopped) sink.end();
  });
  return () => {
    stopped = true;
  };
}

/** The sink bounds what comes out; here, what goes in. A bomb costs no memory: its output is dropped once the sink has stopped. */
function readCompressed(request: IncomingMessage, encoding: 'gzip' | 'deflate', maxBytes: number, sink: BodySink): () => void {
  const inflater = encoding === 'gzip' ? createGunzip() : createInflate();
  let stopped = false;
  let received = 0;
  const stop = (): void => {
    if (stopped) return;
    stopped = true;
    request.unpipe(inflater);
    inflater.destroy();
    request.resume();
  };
  const fail = (error: SluiceError): void => {
    if (stopped) return;
    stop();
    sink.failed(error);
  };
  request.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received > maxBytes) fail(tooLarge(maxBytes));
  });
  inflater.on('data', (chunk: Buffer) => {
    if (!stopped) sink.chunk(chunk);
  });
  inflater.on('end', () => {
    if (!stopped) sink.end();
  });
  inflater.on('error', (error) => {
    fail(new SluiceError('BAD_REQUEST', `the body is not valid ${encoding}: ${error.message}`));
  });
  request.pipe(inflater);
  return stop;
}
