import { describe, expect, test } from 'vitest';
import { ResponseParser } from '../../../bench/load/response-parser.ts';

const BINARY = Buffer.concat([
  Buffer.from('HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nInference-Header-Content-Length: 3\r\ncontent-length: 11\r\n\r\n{ }'),
  Buffer.from(Float32Array.of(0.25, 0.75).buffer),
]);

test('reads a whole response', () => {
  expect(new ResponseParser().push(BINARY)).toEqual({
    status: 200, inferenceHeaderLength: 3, keepAlive: true, body: BINARY.subarray(-11),
  });
});

test('reads a response cut at any byte, out of a buffer that is used again', () => {
  for (let cut = 1; cut < BINARY.length; cut += 1) {
    const parser = new ResponseParser();
    const shared = Buffer.alloc(BINARY.length);
    BINARY.copy(shared, 0, 0, cut);
    expect(parser.push(shared.subarray(0, cut))).toBeNull();
    shared.fill(0xff);
    BINARY.copy(shared, 0, cut);
    expect(parser.push(shared.subarray(0, BINARY.length - cut))?.body).toEqual(BINARY.subarray(-11));
  }
});

test('reads one response after another', () => {
  const parser = new ResponseParser();
  expect(parser.push(BINARY.subarray(0, 20))).toBeNull();
  expect(parser.push(BINARY.subarray(20))?.status).toBe(200);
  expect(parser.push(Buffer.from('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}'))?.status).toBe(503);
});

describe('whether the connection stays', () => {
  test.each([
    ['HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', false],
    ['HTTP/1.1 503 Busy\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n', false],
    ['HTTP/1.1 503 Busy\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n', true],
    ['HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n', true],
    ['HTTP/1.0 503 Busy\r\nContent-Length: 0\r\n\r\n', false],
  ])('%j: %s', (text, keepAlive) => {
    expect(new ResponseParser().push(Buffer.from(text))?.keepAlive).toBe(keepAlive);
  });
});

describe('refuses what it would have to guess', () => {
  test.each([
    ['no length', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', /Content-Length/],
    ['another protocol', 'SSH-2.0-OpenSSH\r\n\r\n', /not an HTTP/],
    ['bytes after the end', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab', /1 bytes after/],
    ['a head without end', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(70_000)}`, /64 KiB/],
  ])('%s', (_name, text, message) => {
    expect(() => new ResponseParser().push(Buffer.from(text))).toThrow(message);
  });
});
