import { spawn } from 'node:child_process';
import type { ChildProcess, ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

export type PipedChild = ChildProcessByStdio<null, Readable, Readable>;

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Kept of what a child writes to stderr, for the message when it fails. */
const STDERR_TAIL_CHARACTERS = 4000;

/**
 * All children of the benchmark. Each leads a process group of its own, so that ending it ends what it has started, and
 * Ctrl-C reaches the benchmark alone, which then ends them all.
 */
export class ChildProcesses {
  readonly #running = new Set<ChildProcess>();
  readonly #stderr = new WeakMap<ChildProcess, string>();
  readonly #stopGraceMs: number;

  /** @param stopGraceMs how long a child may take to end by itself. */
  constructor(stopGraceMs = 5000) {
    this.#stopGraceMs = stopGraceMs;
  }

  start({ file, args, env, cwd }: Command): PipedChild {
    const child = spawn(file, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#running.add(child);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr.set(child, (this.stderrOf(child) + text).slice(-STDERR_TAIL_CHARACTERS));
    });
    child.once('close', () => this.#running.delete(child));
    return child;
  }

  /** What the child has written to stderr of late. */
  stderrOf(child: ChildProcess): string {
    return this.#stderr.get(child) ?? '';
  }

  /**
   * Runs a child to its end.
   *
   * @returns what it wrote to stdout.
   * @throws Error with the tail of stderr when it fails or takes longer than `timeoutMs`.
   */
  async run(command: Command, timeoutMs: number): Promise<string> {
    const child = this.start(command);
    const timer = setTimeout(() => { killGroup(child, 'SIGKILL'); }, timeoutMs);
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => { stdout += text; });
    const closed = once(child, 'close').finally(() => { clearTimeout(timer); });
    const [code, signal] = (await closed) as [number | null, string | null];
    if (code === 0) return stdout;
    const reason = signal === 'SIGKILL' ? `was killed, at the latest after ${timeoutMs / 1000} s` : `ended with ${signal ?? `code ${code}`}`;
    throw new Error(`${command.file} ${command.args.join(' ')} ${reason}\n${this.stderrOf(child)}`);
  }

  /** Runs a child as {@link run} does and parses the JSON on its last line of stdout. */
  async runForJson(command: Command, timeoutMs: number): Promise<unknown> {
    const stdout = await this.run(command, timeoutMs);
    return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  }

  /** Ends a child and its group: SIGTERM, then SIGKILL for what is left. Resolves once its output has ended too. */
  async stop(child: ChildProcess): Promise<void> {
    if (!this.#running.has(child)) return;
    const closed = once(child, 'close');
    const killRest = (): void => { killGroup(child, 'SIGKILL'); };
    if (child.exitCode !== null || child.signalCode !== null) killRest();
    else child.once('exit', killRest).kill('SIGTERM');
    const timer = setTimeout(killRest, this.#stopGraceMs);
    await Promise.race([closed, delay(2 * this.#stopGraceMs, undefined, { ref: false })]);
    clearTimeout(timer);
  }

  /** Kills every group at once: for Ctrl-C and for the end of the process. */
  killAll(): void {
    for (const child of this.#running) killGroup(child, 'SIGKILL');
  }
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // ESRCH: nothing of the group is left
  }
}
