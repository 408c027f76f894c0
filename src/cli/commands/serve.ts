/** `sluice serve` */
import { serve } from '../../main.ts';
import type { LoadProgress } from '../../repository/repository.ts';
import type { CliIo } from '../io.ts';
import { renderMs } from '../table.ts';

const ERASE_LINE = '\x1b[2K';
const REDRAW_MS = 100;

/** Runs the server. On a terminal a line tells what is loading; elsewhere the log alone does. */
export async function serveCommand(io: CliIo): Promise<void> {
  const line = io.interactive ? new ProgressLine(io) : null;
  try {
    await serve(line === null ? {} : { onProgress: (progress) => line.show(progress) });
  } finally {
    line?.end();
  }
}

/** One line that is drawn again and again. It leaves the cursor at its start, so that a log line takes its place. */
class ProgressLine {
  readonly #io: CliIo;
  readonly #timer: NodeJS.Timeout;
  readonly #active = new Map<string, { readonly progress: LoadProgress; readonly seenMs: number }>();
  #done = 0;
  #total = 0;

  constructor(io: CliIo) {
    this.#io = io;
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
    this.#timer.unref();
  }

  show(progress: LoadProgress): void {
    const key = `${progress.model}/${progress.version}`;
    if (progress.phase === 'ready' || progress.phase === 'failed') this.#active.delete(key);
    else this.#active.set(key, { progress, seenMs: performance.now() });
    this.#done = progress.done;
    this.#total = progress.total;
    this.#draw();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#io.out(ERASE_LINE);
  }

  #draw(): void {
    if (this.#total === 0) return;
    const steps = [...this.#active].map(([key, { progress, seenMs }]) => {
      const verb = progress.phase === 'fetching' ? `downloading ${progress.detail}` : 'loading and measuring';
      return `${key}: ${verb}, ${renderMs(progress.ms + performance.now() - seenMs)}`;
    });
    this.#io.out(`${ERASE_LINE}${this.#done} of ${this.#total} models ready${steps.length === 0 ? '' : ` | ${steps.join(' | ')}`}\r`);
  }
}
