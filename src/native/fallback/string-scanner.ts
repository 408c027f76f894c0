/** A JSON string after its opening quote, in any split: UTF-8 and escapes are checked, what it means goes to a sink. */
import { BACKSLASH, QUOTE, TextFault, asBuffer } from './text.ts';
import type { Input } from './text.ts';

/** Takes what a string means, as UTF-8. */
export interface StringSink {
  /** Takes bytes[from, to), or the beginning of it. Returns how many it took. */
  run(bytes: Buffer, from: number, to: number): number;
  /** Takes one code point; false when there is no room, and then nothing was taken. */
  code(code: number): boolean;
}

/** Takes nothing: for strings that only have to be valid. */
export const NULL_SINK: StringSink = {
  run: (_bytes, from, to) => to - from,
  code: () => true,
};

export type ScanStatus = 'more' | 'end' | 'full';

/** UTF-8 of a code point, into `out`; returns its length. */
export function encodeUtf8(code: number, out: Uint8Array): number {
  if (code < 0x80) {
    out[0] = code;
    return 1;
  }
  const length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  let rest = code;
  for (let i = length - 1; i > 0; i -= 1) {
    out[i] = 0x80 | (rest & 0x3f);
    rest >>>= 6;
  }
  out[0] = (0xf00 >> length) & 0xff | rest;
  return length;
}

/** Keys as latin1 text of their UTF-8 bytes: enough to compare them, and to show them like the addon does. */
export class KeySink implements StringSink {
  text = '';
  readonly #encoded = new Uint8Array(4);

  run(bytes: Buffer, from: number, to: number): number {
    this.text += bytes.toString('latin1', from, to);
    return to - from;
  }

  code(code: number): boolean {
    this.text += asBuffer(this.#encoded).toString('latin1', 0, encodeUtf8(code, this.#encoded));
    return true;
  }
}

const ESCAPES: ReadonlyMap<number, number> = new Map(
  [['"', '"'], ['\\', '\\'], ['/', '/'], ['b', '\b'], ['f', '\f'], ['n', '\n'], ['r', '\r'], ['t', '\t']]
    .map(([from = '', to = '']) => [from.charCodeAt(0), to.charCodeAt(0)]),
);
const INVALID_UTF8 = 'invalid UTF-8 in a string';
const LONE_SURROGATE = 'a lone surrogate in a string';

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

export class StringScanner {
  #state: 'plain' | 'tail' | 'escape' | 'hex' | 'backslash' | 'low-u' = 'plain';
  #need = 0;
  #low = 0;
  #high = 0;
  #unit = 0;
  #surrogate = 0;
  #digits = 0;
  #escapeStart = 0;

  begin(): void {
    this.#state = 'plain';
  }

  /** Throws TextFault. full: what the sink took is consumed, the rest is not. */
  scan(input: Input, sink: StringSink): ScanStatus {
    const { bytes, end } = input;
    while (input.p < end) {
      const byte = bytes[input.p] ?? 0;
      switch (this.#state) {
        case 'plain': {
          let stop = input.p;
          for (let next = byte; stop < end && next >= 0x20 && next < 0x80 && next !== QUOTE && next !== BACKSLASH; next = bytes[stop] ?? 0) stop += 1;
          if (stop > input.p) {
            const taken = sink.run(bytes, input.p, stop);
            input.p += taken;
            if (input.p < stop) return 'full';
            continue;
          }
          if (byte === QUOTE) {
            input.p += 1;
            return 'end';
          }
          if (byte === BACKSLASH) {
            this.#escapeStart = input.base + input.p;
            this.#surrogate = 0;
            this.#state = 'escape';
            break;
          }
          if (byte < 0x20) throw new TextFault(input.base + input.p, 'a control character must be escaped in a string');
          this.#beginTail(byte, input.base + input.p);
          if (sink.run(bytes, input.p, input.p + 1) === 0) return 'full';
          this.#state = 'tail';
          break;
        }
        case 'tail':
          if (byte < this.#low || byte > this.#high) throw new TextFault(input.base + input.p, INVALID_UTF8);
          if (sink.run(bytes, input.p, input.p + 1) === 0) return 'full';
          this.#need -= 1;
          this.#low = 0x80;
          this.#high = 0xbf;
          if (this.#need === 0) this.#state = 'plain';
          break;
        case 'escape': {
          if (byte === 0x75) {
            this.#beginHex();
            break;
          }
          const meaning = ESCAPES.get(byte);
          if (meaning === undefined) throw new TextFault(this.#escapeStart, 'unknown escape in a string');
          if (!sink.code(meaning)) return 'full';
          this.#state = 'plain';
          break;
        }
        case 'hex':
          if (!this.#hex(byte, sink)) return 'full';
          break;
        case 'backslash':
          if (byte !== BACKSLASH) throw new TextFault(this.#escapeStart, LONE_SURROGATE);
          this.#state = 'low-u';
          break;
        case 'low-u':
          if (byte !== 0x75) throw new TextFault(this.#escapeStart, LONE_SURROGATE);
          this.#beginHex();
          break;
      }
      input.p += 1;
    }
    return 'more';
  }

  /** Continuation bytes that a lead byte asks for (Unicode 15, table 3-7). */
  #beginTail(lead: number, position: number): void {
    if (lead < 0xc2 || lead > 0xf4) throw new TextFault(position, INVALID_UTF8);
    this.#need = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    this.#low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    this.#high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  }

  #beginHex(): void {
    this.#unit = 0;
    this.#digits = 0;
    this.#state = 'hex';
  }

  #hex(byte: number, sink: StringSink): boolean {
    const digit = hexDigit(byte);
    if (digit < 0) throw new TextFault(this.#escapeStart, '\\u in a string needs four hexadecimal digits');
    const unit = this.#unit * 16 + digit;
    if (this.#digits < 3) {
      this.#unit = unit;
      this.#digits += 1;
      return true;
    }
    const isLow = unit >= 0xdc00 && unit <= 0xdfff;
    if (isLow !== (this.#surrogate !== 0)) throw new TextFault(this.#escapeStart, LONE_SURROGATE);
    if (this.#surrogate === 0 && unit >= 0xd800 && unit <= 0xdbff) {
      this.#surrogate = unit;
      this.#state = 'backslash';
      return true;
    }
    if (!sink.code(isLow ? 0x10000 + (this.#surrogate - 0xd800) * 0x400 + (unit - 0xdc00) : unit)) return false;
    this.#state = 'plain';
    return true;
  }
}
