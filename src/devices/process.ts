/** One life of a device host: its process, control channel, doorbell and what it writes. */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Duplex, Readable } from 'node:stream';
import { Channel } from './channel.ts';
import type { Provider } from './discovery.ts';
import { ARENA_FD, CONTROL_FD, DOORBELL_FD, parseHostMessage, type FrontMessage, type HostMessage } from './protocol.ts';

export interface HostSpawn {
  readonly entry: string;
  readonly arenaFd: number;
  /** All that the host inherits; see hostEnvironment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly execArgv: readonly string[];
}

export interface HostEvents {
  message(message: HostMessage): void;
  /** A batch was done, or several. */
  bell(): void;
  /** A line that the host wrote to stdout or stderr. */
  line(text: string): void;
  /** It wrote what cannot be a message: it must not be trusted further. */
  garbage(reason: string): void;
  /** It has ended, and everything that it wrote was read. Called once. In words: how. */
  exited(how: string): void;
}

/** Lines kept for explaining a failure: CUDA's reasons stand on stderr only. */
const TAIL_LINES = 40;
const MAX_LINE_LENGTH = 2000;

export class HostProcess {
  readonly pid: number | null;
  private readonly child: ChildProcess;
  /** Null when it could not be started. */
  private readonly control: Channel | null;
  private readonly events: HostEvents;
  private readonly tail: string[] = [];

  constructor(options: HostSpawn, events: HostEvents) {
    this.events = events;
    const stdio: ('ignore' | 'pipe' | number)[] = ['ignore', 'pipe', 'pipe'];
    stdio[CONTROL_FD] = 'pipe';
    stdio[ARENA_FD] = options.arenaFd;
    stdio[DOORBELL_FD] = 'pipe';
    // The folder is neutral: ORT resolves some names against it. Without a shell, and in our process group: a signal from the
    // terminal reaches the host too, which ignores it (see host/main.ts) until the front tells it to stop.
    this.child = spawn(process.execPath, [...options.execArgv, options.entry], { cwd: '/', env: options.environment, stdio });
    this.pid = this.child.pid ?? null;
    this.watch();
    if (this.pid === null) {
      // No descriptor or process is left: there may be no pipes either.
      this.control = null;
      return;
    }
    // Typed for five descriptors; there are six.
    const pipes = this.child.stdio as readonly unknown[] as readonly Duplex[];
    this.control = new Channel(pipes[CONTROL_FD]!, {
      message: (value) => {
        const message = parseHostMessage(value);
        if (message === null) events.garbage('a message that is none');
        else events.message(message);
      },
      garbage: (reason) => events.garbage(reason),
      closed: () => undefined,
    });
    const doorbell = pipes[DOORBELL_FD]!;
    doorbell.on('data', () => events.bell());
    doorbell.on('error', () => undefined);
    this.readLines(this.child.stdout);
    this.readLines(this.child.stderr);
  }

  send(message: FrontMessage): void {
    this.control?.send(message);
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  /** The last lines that it wrote. */
  recentOutput(): string {
    return this.tail.join('\n');
  }

  /** 'close' comes after 'exit' and after the last byte of every pipe: the memory is unmapped, and every word was heard. */
  private watch(): void {
    let how = 'the host could not be started';
    this.child.on('error', (error) => {
      if (this.pid === null) this.events.exited(`the host could not be started: ${error.message}`);
      else this.events.line(error.message);
    });
    this.child.on('exit', (code, signal) => {
      how = signal === null ? `the host exited with code ${code ?? 'unknown'}` : `the host was killed by ${signal}`;
    });
    this.child.on('close', () => {
      if (this.pid !== null) this.events.exited(how);
    });
  }

  private readLines(stream: Readable | null): void {
    let rest = '';
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = (lines.pop() ?? '').slice(0, MAX_LINE_LENGTH);
      for (const line of lines) this.keep(line);
    });
    stream?.on('end', () => this.keep(rest));
  }

  private keep(line: string): void {
    const text = withoutColours(line).slice(0, MAX_LINE_LENGTH).trim();
    if (text === '') return;
    this.tail.push(text);
    if (this.tail.length > TAIL_LINES) this.tail.shift();
    this.events.line(text);
  }
}

function withoutColours(text: string): string {
  return text.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g'), '');
}

/**
 * Variables of a host: what the configuration hands on, where the libraries of CUDA lie, and which GPU it may see. A GPU is
 * named by its UUID, because CUDA numbers GPUs by speed and NVML by bus.
 */
export function hostEnvironment(inherited: Readonly<Record<string, string>>, provider: Provider, gpuUuid: string | null, libraryPath: readonly string[]): Record<string, string> {
  const environment = { ...inherited };
  if (provider !== 'cuda') return environment;
  const folders = [...libraryPath, ...(inherited['LD_LIBRARY_PATH']?.split(':').filter((folder) => folder !== '') ?? []), '/usr/local/cuda/lib64'];
  environment['LD_LIBRARY_PATH'] = folders.join(':');
  if (gpuUuid !== null) environment['CUDA_VISIBLE_DEVICES'] = gpuUuid;
  return environment;
}
