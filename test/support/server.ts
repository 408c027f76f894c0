/** Starts the real server as a user would (`node dist/cli/main.js serve`) on a free port, and ends it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface RunningServer {
  readonly url: string;
  readonly pid: number;
  /** Parsed JSON log lines so far. */
  readonly logs: readonly LogLine[];
  readonly process: ChildProcess;
  /** SIGTERM and wait. Returns the exit code, or the signal that ended it. */
  stop(): Promise<number | string>;
  /** Resolves when the process has ended, however. */
  readonly exited: Promise<number | string>;
}

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg?: string };

export interface ServerOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Wait until GET /v2/health/ready answers 200 (default), or only until it listens. */
  readonly until?: 'ready' | 'listening';
  readonly startTimeoutMs?: number;
}

/** Rejects with the server's own words when it ends before it serves. */
export async function startServer({ env = {}, until = 'ready', startTimeoutMs = 60_000 }: ServerOptions = {}): Promise<RunningServer> {
  const child = spawn(process.execPath, ['dist/cli/main.js', 'serve'], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', PORT: '0', LOG_FORMAT: 'json', WARMUP_BUDGET_MS: '200', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const logs: LogLine[] = [];
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
  const exited = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string);

  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`the server did not listen within ${String(startTimeoutMs)} ms:\n${errors}${render(logs)}`));
    }, startTimeoutMs);
    void exited.then((code) => {
      clearTimeout(timer);
      reject(new Error(`the server ended with ${String(code)} before it served:\n${errors}${render(logs)}`));
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      const parsed = parseLine(line);
      logs.push(parsed);
      if (parsed.msg === 'listening') {
        clearTimeout(timer);
        resolve(String(parsed['url']));
      }
    });
  });
  const server: RunningServer = {
    url, logs, exited, process: child, pid: child.pid ?? -1,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      return await exited;
    },
  };
  if (until === 'ready') await waitUntil(async () => (await fetch(`${url}/v2/health/ready`)).status === 200, startTimeoutMs);
  return server;
}

/** Polls a condition that another process makes true. Rejects after timeoutMs. */
export async function waitUntil(condition: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`not true within ${String(timeoutMs)} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Process ids of the children that a process has now. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && parentOf(Number(entry)) === pid)
    .map(Number);
}

export function isAlive(pid: number): boolean {
  const state = statOf(pid)?.[0];
  return state !== undefined && state !== 'Z' && state !== 'X';
}

function parentOf(pid: number): number | null {
  const fields = statOf(pid);
  return fields === null ? null : Number(fields[1]);
}

/** Fields of /proc/pid/stat behind the command: state, parent, … Null when the process is gone. */
function statOf(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

function parseLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return { msg: line };
  }
}

function render(logs: readonly LogLine[]): string {
  return logs.map((line) => JSON.stringify(line)).join('\n');
}

/** Letters of proc(5): after a SIGSTOP, `kill` returns before every thread has stopped (T). */
export function threadStates(pid: number): Set<string | undefined> {
  return new Set(readdirSync(`/proc/${String(pid)}/task`).map((thread) => /\) (\w)/.exec(readFileSync(`/proc/${String(pid)}/task/${thread}/stat`, 'utf8'))?.[1]));
}
