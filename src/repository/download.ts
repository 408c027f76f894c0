/**
 * Downloads into a cache that is addressed by content: `<cacheDir>/sha256/<digest>`. A digest is known before the first
 * byte, so a download may stop and go on anywhere, and what is in the cache is right whoever put it there.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Agent, ProxyAgent, fetch, type Dispatcher } from 'undici';
import type { Clock } from '../contracts/clock.ts';

/** A part that nobody has written to for so long belongs to a process that is gone; it is taken over. */
const ABANDONED_AFTER_MS = 60_000;
const ATTEMPTS = 4;
const FIRST_RETRY_MS = 500;
/** No byte for so long: the connection is dead. */
const STALLED_AFTER_MS = 30_000;

export interface DownloadSettings {
  readonly cacheDir: string;
  /** Null: direct connections. */
  readonly proxyUrl: string | null;
  readonly clock: Clock;
}

export interface DownloadRequest {
  readonly url: string;
  /** Lowercase hexadecimal. */
  readonly sha256: string;
  readonly onProgress: (receivedBytes: number, totalBytes: number | null) => void;
  readonly signal: AbortSignal;
}

/** A failure that another attempt can't change: a status below 500, or the wrong content. */
class FinalError extends Error {}

/** The path of the file with this sha256, from the cache or downloaded. Tries again, from where it stopped, after network errors. */
export async function download(request: DownloadRequest, settings: DownloadSettings): Promise<string> {
  const folder = join(settings.cacheDir, 'sha256');
  const path = join(folder, request.sha256);
  await mkdir(folder, { recursive: true });
  if (await holds(path, request.sha256)) return path;
  const part = join(folder, `${request.sha256}.part-${process.pid.toString(36)}${Date.now().toString(36)}`);
  await adopt(folder, request.sha256, part);
  const dispatcher = settings.proxyUrl === null ? new Agent({ bodyTimeout: STALLED_AFTER_MS }) : new ProxyAgent({ uri: settings.proxyUrl, bodyTimeout: STALLED_AFTER_MS });
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await receive(request, part, dispatcher);
        break;
      } catch (error) {
        if (request.signal.aborted || error instanceof FinalError || attempt === ATTEMPTS) throw describe(error, request.url);
        await pause(FIRST_RETRY_MS * 2 ** (attempt - 1), settings.clock, request.signal);
      }
    }
  } finally {
    await dispatcher.destroy();
  }
  await rename(part, path);
  return path;
}

/** Whether the cache has the file, whole. What doesn't fit its name is removed. */
async function holds(path: string, sha256: string): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  if (found === null) return false;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  if (hash.digest('hex') === sha256) return true;
  await rm(path);
  return false;
}

/** Takes over an abandoned part, by renaming it: of two processes, one gets it. */
async function adopt(folder: string, sha256: string, part: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${sha256}.part-`)) continue;
    const found = await stat(join(folder, name)).catch(() => null);
    if (found === null || Date.now() - found.mtimeMs < ABANDONED_AFTER_MS) continue;
    const taken = await rename(join(folder, name), part).then(() => true, () => false);
    if (taken) return;
  }
}

/** One attempt: asks for what `part` lacks, appends it, and checks the whole. */
async function receive(request: DownloadRequest, part: string, dispatcher: Dispatcher): Promise<void> {
  const file = await open(part, 'a+');
  try {
    const hash = createHash('sha256');
    let received = await hashWhatIsThere(file, hash);
    const resumed = received > 0;
    const response = await fetch(request.url, { dispatcher, signal: request.signal, headers: resumed ? { range: `bytes=${received}-`, 'accept-encoding': 'identity' } : { 'accept-encoding': 'identity' } });
    if (response.status === 416 || (resumed && response.status === 200)) {
      // The server can't go on where we stopped: from the start, with the next attempt or with this answer.
      await file.truncate(0);
      if (response.status === 416) throw new Error('the server has nothing after the part that we had; starting again');
      received = 0;
    } else if (!response.ok) {
      const message = `the server answered ${response.status} ${response.statusText}`.trim();
      throw response.status >= 500 || response.status === 429 ? new Error(message) : new FinalError(message);
    }
    const whole = received === 0 ? createHash('sha256') : hash;
    const length = response.headers.get('content-length');
    const total = length === null ? null : received + Number(length);
    for await (const chunk of response.body ?? []) {
      const bytes = chunk as Uint8Array;
      await file.write(bytes);
      whole.update(bytes);
      received += bytes.byteLength;
      request.onProgress(received, total);
    }
    if (total !== null && received < total) throw new Error(`the connection ended after ${received} of ${total} bytes`);
    const actual = whole.digest('hex');
    if (actual !== request.sha256) {
      await file.truncate(0);
      // What a former attempt left may be the reason: only a download in one piece is the server's last word.
      if (resumed && response.status === 206) throw new Error('the part that we had did not fit; starting again');
      throw new FinalError(`what came has sha256 ${actual}, but model.json says ${request.sha256}`);
    }
  } finally {
    await file.close();
  }
}

async function hashWhatIsThere(file: FileHandle, hash: Hash): Promise<number> {
  let bytes = 0;
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false })) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).byteLength;
  }
  return bytes;
}

function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const finish = (): void => {
      cancel();
      signal.removeEventListener('abort', finish);
      done();
    };
    const cancel = clock.after(ms, finish);
    signal.addEventListener('abort', finish);
  });
}

/** fetch says "fetch failed" and keeps why in its cause. */
function describe(error: unknown, url: string): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const cause = error.cause instanceof Error ? error.cause : error;
  const code = 'code' in cause && typeof cause.code === 'string' && !cause.message.includes(cause.code) ? ` (${cause.code})` : '';
  return new Error(`download from ${new URL(url).host} failed: ${cause.message}${code}`, { cause: error });
}
