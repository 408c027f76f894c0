/** The envelope as it grows: the body without its tensor data. Kept as latin1 text of its bytes, which are decoded once, whole. */
import { TextFault } from './text.ts';
import type { Input } from './text.ts';

export class Envelope {
  readonly #maxBytes: number;
  #text = '';
  /** Of #text, what came from the body. */
  #bytes = 0;
  /** Where the part that is not yet in #text begins in the current chunk. */
  #mark = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What follows in the chunk, from `at` on, is envelope. */
  resume(at: number): void {
    this.#mark = at;
  }

  /** Stands for the data of input `index`. */
  append(index: number): void {
    this.#text += String(index);
  }

  clear(): void {
    this.#text = '';
  }

  /** Where the next byte goes. */
  size(input: Input): number {
    return this.#text.length + input.p - this.#mark;
  }

  /** The fault of an envelope that what was read since the last flush makes too large, else null. */
  oversize(input: Input): TextFault | null {
    const room = this.#maxBytes - this.#bytes;
    if (input.p - this.#mark <= room) return null;
    return new TextFault(input.base + this.#mark + room, `the request without its tensor data is larger than ${String(this.#maxBytes)} bytes`);
  }

  /** Moves what was read into #text. Throws TextFault when that is more than allowed. */
  flush(input: Input): void {
    const oversize = this.oversize(input);
    if (oversize !== null) throw oversize;
    this.#text += input.bytes.toString('latin1', this.#mark, input.p);
    this.#bytes += input.p - this.#mark;
    this.#mark = input.p;
  }

  slice(from: number, to?: number): string {
    return Buffer.from(this.#text.slice(from, to), 'latin1').toString();
  }
}
