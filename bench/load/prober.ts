import { compareAnswer, readAnswer } from '../wire.ts';
import { Connection } from './connection.ts';
import type { OpenLoopTarget } from './open-loop-phase.ts';

/** Pause between two probes: 50 a second of 1 ms each are no load. */
const PAUSE_MS = 20;

/** Sends one request at a time and measures it. */
export class Prober {
  readonly wrongAnswers: string[] = [];
  readonly #target: OpenLoopTarget;
  readonly #deadlineMs: number;
  readonly #readBuffer = Buffer.allocUnsafe(64 * 1024);
  #connection: Connection | null = null;
  #next = 0;

  constructor(target: OpenLoopTarget, deadlineMs: number) {
    this.#target = target;
    this.#deadlineMs = deadlineMs;
  }

  /** Latency in milliseconds of one request; null where no right answer came before the deadline. */
  async probe(): Promise<number | null> {
    const startMs = performance.now();
    const input = this.#next++ % this.#target.dataset.count;
    const right = await this.#exchange(input);
    return right ? performance.now() - startMs : null;
  }

  /** The pause between two probes. */
  async pause(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }

  close(): void {
    this.#connection?.destroy();
    this.#connection = null;
  }

  async #exchange(input: number): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (right: boolean): void => {
        clearTimeout(deadline);
        this.close(); // a connection of its own each time: what a new client meets
        resolve(right);
      };
      const deadline = setTimeout(finish, this.#deadlineMs, false);
      this.#connection = new Connection(this.#target.url, this.#readBuffer, {
        answered: (_connection, _request, response) => {
          if (response.status !== 200) { finish(false); return; }
          const problem = compareAnswer(readAnswer(response.inferenceHeaderLength, response.body), this.#target.dataset.expected(input));
          if (problem !== null) this.wrongAnswers.push(`input ${input}: ${problem}`);
          finish(problem === null);
        },
        freed: () => undefined,
        failed: () => { finish(false); },
        closed: () => undefined,
      });
      this.#connection.send(input, this.#target.requests[input] ?? Buffer.alloc(0));
    });
  }
}
