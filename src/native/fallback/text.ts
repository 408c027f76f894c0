/** What the JSON readers share: a position in the body, faults, and how bytes are shown in messages. native/text.cc says the same in C++. */

/** A chunk and how far it has been read. */
export interface Input {
  readonly bytes: Buffer;
  p: number;
  readonly end: number;
  /** Add to an index into `bytes` to get its position in the whole body. */
  readonly base: number;
}

/** A client's mistake, thrown inside the fallback and turned into data at its boundary. */
export class TextFault extends Error {
  readonly position: number;

  constructor(position: number, message: string) {
    super(message);
    this.position = position;
  }
}

/** Longest number or word, so that what is kept between chunks is bounded. */
const MAX_TOKEN_BYTES = 1024;
const SNIPPET_BYTES = 32;
const JSON_NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const BACKSLASH = 0x5c;
export const OPEN_ARRAY = 0x5b;
export const CLOSE_ARRAY = 0x5d;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** Ends a number or word: what JSON's structure is made of. */
export function isDelimiter(byte: number): boolean {
  return isSpace(byte) || byte === COMMA || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT || byte === OPEN_ARRAY
    || byte === OPEN_OBJECT || byte === COLON || byte === QUOTE;
}

export function skipSpace(input: Input): void {
  while (input.p < input.end && isSpace(input.bytes[input.p] ?? 0)) input.p += 1;
}

/** `raw`: bytes as latin1. At most 32 of them, printable. */
export function snippet(raw: string): string {
  const shown = raw.slice(0, SNIPPET_BYTES).replace(/[^\x20-\x7e]/g, '?');
  return raw.length > SNIPPET_BYTES ? `${shown}...` : shown;
}

/** One byte, for "… stands where … is expected". */
export function describe(byte: number): string {
  if (byte >= 0x20 && byte < 0x7f) return `\`${String.fromCharCode(byte)}\``;
  return `byte 0x${byte.toString(16).padStart(2, '0')}`;
}

export function isJsonNumber(text: string): boolean {
  return JSON_NUMBER.test(text);
}

/** A number or word that may be split over chunks. */
export class Token {
  text = '';
  start = 0;

  begin(position: number): void {
    this.text = '';
    this.start = position;
  }

  /** Gathers up to the next delimiter, which is not consumed. False when the chunk ended first. */
  read(input: Input): boolean {
    const limit = Math.min(input.end, input.p + MAX_TOKEN_BYTES - this.text.length);
    let stop = input.p;
    while (stop < limit && !isDelimiter(input.bytes[stop] ?? 0)) stop += 1;
    this.text += input.bytes.toString('latin1', input.p, stop);
    input.p = stop;
    if (stop === input.end) return false;
    if (!isDelimiter(input.bytes[stop] ?? 0)) throw new TextFault(this.start, 'a number or word of more than 1024 bytes');
    return true;
  }
}
