import type { Dataset } from '../inputs/dataset.ts';
import { binaryBody, INFER_PATH, requestHeaders } from '../wire.ts';

/** Every input as a finished HTTP/1.1 request, head and body in one buffer, ready to be written to a socket. */
export function buildRequests(dataset: Dataset, url: URL, headers: Readonly<Record<string, string>>): Buffer[] {
  const all = { ...requestHeaders('binary'), ...headers };
  return Array.from({ length: dataset.count }, (_, index) => buildRequest(url, INFER_PATH, all, binaryBody(dataset.row(index))));
}

/** One finished POST. */
export function buildRequest(url: URL, path: string, headers: Readonly<Record<string, string>>, body: Buffer): Buffer {
  const lines = Object.entries({ Host: url.host, Connection: 'keep-alive', ...headers, 'Content-Length': String(body.length) }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`), body]);
}
