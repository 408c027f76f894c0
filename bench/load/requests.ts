import type { Dataset } from '../inputs/dataset.ts';
import { binaryBody, INFER_PATH, requestHeaders } from '../wire.ts';

/** Every input as a finished HTTP/1.1 request, head and body in one buffer, ready to be written to a socket. */
export function buildRequests(dataset: Dataset, url: URL, headers: Readonly<Record<string, string>>): Buffer[] {
  const fixed = Object.entries({ Host: url.host, Connection: 'keep-alive', ...requestHeaders('binary'), ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  return Array.from({ length: dataset.count }, (_, index) => {
    const body = binaryBody(dataset.row(index));
    return Buffer.concat([Buffer.from(`POST ${INFER_PATH} HTTP/1.1\r\n${fixed}Content-Length: ${body.length}\r\n\r\n`), body]);
  });
}
