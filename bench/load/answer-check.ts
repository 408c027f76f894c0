import type { Client } from 'autocannon';
import type { Dataset } from '../inputs/dataset.ts';
import { compareAnswer, readAnswer } from '../wire.ts';

/** Problems kept for the message; one is enough to fail a run. */
const MAX_PROBLEMS = 5;

/** What autocannon's `headers` event carries in truth: its parser's record, with names and values in turn. */
interface ResponseHead {
  readonly headers: readonly string[];
}

/**
 * Checks the answers of autocannon's connections. Its own `onResponse` gives the body as a UTF-8 string, which a binary
 * tensor does not survive, but knows which request was answered; the `body` events give the bytes. Both come before the
 * `response` event of the same answer, in one synchronous run, and that is where they meet.
 */
export class AnswerCheck {
  readonly problems: string[] = [];
  readonly #dataset: Dataset;
  #answeredInput = -1;

  constructor(dataset: Dataset) {
    this.#dataset = dataset;
  }

  /** An `onResponse` for the request that sends input `index`. */
  marker(index: number): () => void {
    return () => {
      this.#answeredInput = index;
    };
  }

  /** Checks every 200 answer of this connection. */
  watch(client: Client): void {
    let chunks: Buffer[] = [];
    let headerLength: number | undefined;
    client.on('headers', (head) => {
      const { headers } = head as unknown as ResponseHead;
      const at = headers.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === 'inference-header-content-length');
      headerLength = at < 0 ? undefined : Number(headers[at + 1]);
      chunks = [];
    });
    client.on('body', (chunk) => chunks.push(chunk));
    client.on('response', (status) => {
      if (status === 200) this.#check(headerLength, chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
    });
  }

  #check(headerLength: number | undefined, body: Buffer): void {
    const input = this.#answeredInput;
    let problem: string | null;
    try {
      problem = compareAnswer(readAnswer(headerLength, body), this.#dataset.expected(input));
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    if (problem !== null && this.problems.length < MAX_PROBLEMS) this.problems.push(`input ${input}: ${problem}`);
  }
}
