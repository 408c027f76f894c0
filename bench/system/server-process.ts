import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { READY_PATH } from '../wire.ts';
import type { ChildProcesses, Command, PipedChild } from './child-processes.ts';

export interface ServerCommand extends Command {
  /** How many processes say that they listen before the server is complete. 1 where not given. */
  readonly listeners?: number;
}

export interface RunningServer {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const READY_POLL_MS = 50;

/**
 * Starts a server and waits until it listens and is ready.
 *
 * A server says where it listens with a JSON line on stdout, `{"msg":"listening","url":"http://127.0.0.1:PORT"}`.
 *
 * @throws Error with the tail of its stderr when it ends, or is not ready within `timeoutMs`.
 */
export async function startServer(children: ChildProcesses, command: ServerCommand, timeoutMs: number): Promise<RunningServer> {
  const child = children.start(command);
  const giveUp = new AbortController();
  const timer = setTimeout(() => { giveUp.abort(new Error(`was not ready within ${timeoutMs / 1000} s`)); }, timeoutMs);
  child.once('error', (error) => { giveUp.abort(error); });
  child.once('exit', (code, signal) => { giveUp.abort(new Error(`ended with ${signal ?? `code ${code}`} at its start`)); });
  try {
    const url = await readListeningUrl(child, command.listeners ?? 1, giveUp.signal);
    await waitUntilReady(url, giveUp.signal);
    return { url, pid: child.pid ?? 0, stop: async () => children.stop(child) };
  } catch (error) {
    await children.stop(child);
    throw new Error(`${command.file} ${command.args.join(' ')}: ${error instanceof Error ? error.message : String(error)}\n${children.stderrOf(child)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** The URL in a line that says so, else null: servers may log other things, JSON or not, before it. */
export function parseListeningLine(line: string): string | null {
  if (!line.startsWith('{')) return null;
  try {
    const entry = JSON.parse(line) as { msg?: unknown; url?: unknown };
    return entry.msg === 'listening' && typeof entry.url === 'string' ? entry.url : null;
  } catch {
    return null;
  }
}

async function readListeningUrl(child: PipedChild, listeners: number, signal: AbortSignal): Promise<string> {
  let heard = 0;
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => { reject(signal.reason as Error); }, { once: true });
    // Reading goes on for the life of the server: a full pipe would stop it.
    createInterface({ input: child.stdout }).on('line', (line) => {
      const url = parseListeningLine(line);
      if (url === null) return;
      heard += 1;
      if (heard === listeners) resolve(url);
    });
  });
}

async function waitUntilReady(url: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const ready = await fetch(new URL(READY_PATH, url), { signal }).then(({ ok }) => ok, () => false);
    if (ready) return;
    await delay(READY_POLL_MS);
  }
}
