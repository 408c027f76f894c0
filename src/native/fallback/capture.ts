/** Keeps the raw text of a `data` value whose datatype is not known yet. It only finds where the value ends; the text is checked when it is parsed. */
import { BACKSLASH, CLOSE_ARRAY, CLOSE_OBJECT, COLON, COMMA, OPEN_ARRAY, OPEN_OBJECT, QUOTE, TextFault, describe, isDelimiter, isSpace } from './text.ts';
import type { Input } from './text.ts';
import type { ReadStatus } from './tensor-reader.ts';

export class CaptureReader {
  readonly #outerDepth: number;
  readonly #maxDepth: number;
  #out: Uint8Array;
  #depth = 0;
  #started = false;
  #inString = false;
  #escaped = false;
  #written = 0;

  constructor(outerDepth: number, maxDepth: number, out: Uint8Array) {
    this.#outerDepth = outerDepth;
    this.#maxDepth = maxDepth;
    this.#out = out;
  }

  regrow(out: Uint8Array): void {
    this.#out = out;
  }

  get written(): number {
    return this.#written;
  }

  /** Throws TextFault. */
  read(input: Input): ReadStatus {
    while (input.p < input.end) {
      const byte = input.bytes[input.p] ?? 0;
      if (!this.#inString) {
        if (this.#depth === 0 && this.#started && isDelimiter(byte)) return 'done'; // the end of a single number or word
        this.#check(byte, input.base + input.p);
      }
      if (this.#written === this.#out.byteLength) return 'grow';
      this.#out[this.#written] = byte;
      this.#written += 1;
      input.p += 1;
      if (this.#take(byte)) return 'done';
    }
    return 'more';
  }

  #check(byte: number, position: number): void {
    if (byte === OPEN_OBJECT || (byte === CLOSE_OBJECT && this.#depth > 0)) throw new TextFault(position, 'an object is not tensor data');
    if (this.#depth === 0 && (byte === COMMA || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT || byte === COLON)) {
      throw new TextFault(position, `${describe(byte)} stands where a value is expected`);
    }
    if (byte === OPEN_ARRAY && this.#outerDepth + this.#depth + 1 >= this.#maxDepth) {
      throw new TextFault(position, `nesting reaches the limit of ${String(this.#maxDepth)}`);
    }
  }

  /** True when this byte ends the value. */
  #take(byte: number): boolean {
    if (this.#inString) {
      this.#inString = byte !== QUOTE || this.#escaped;
      this.#escaped = byte === BACKSLASH && !this.#escaped;
      return !this.#inString && this.#depth === 0;
    }
    this.#started ||= !isSpace(byte);
    if (byte === QUOTE) {
      this.#inString = true;
      this.#escaped = false;
    } else if (byte === OPEN_ARRAY) {
      this.#depth += 1;
    } else if (byte === CLOSE_ARRAY) {
      this.#depth -= 1;
      return this.#depth === 0;
    }
    return false;
  }
}
