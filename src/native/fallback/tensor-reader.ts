/** One tensor's `data`, from JSON text in any split to little-endian bytes: flat, or nested exactly as its shape. */
import { ELEMENT_BYTES } from '../../contracts/tensor.ts';
import type { Datatype } from '../../contracts/tensor.ts';
import { BytesWriter } from './bytes-writer.ts';
import { readRun } from './number-run.ts';
import { StringScanner } from './string-scanner.ts';
import { BACKSLASH, CLOSE_ARRAY, CLOSE_OBJECT, COLON, COMMA, OPEN_ARRAY, OPEN_OBJECT, QUOTE, TextFault, Token, describe, skipSpace } from './text.ts';
import type { Input } from './text.ts';
import { storeValue } from './values.ts';

/** Longest quoted number worth keeping for a message; the three that are allowed are shorter. */
const MAX_QUOTED_BYTES = 64;

type State = 'value' | 'after-value' | 'token' | 'quoted-number' | 'string' | 'done';
/** grow: the target is full (BYTES only); what needs room is not consumed. */
export type ReadStatus = 'more' | 'done' | 'grow';

export interface TensorPlace {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly count: number;
  /** Arrays and objects already open around the data. Depth `maxDepth` is refused. */
  readonly outerDepth: number;
  readonly maxDepth: number;
}

export class TensorReader {
  readonly #place: TensorPlace;
  readonly #elementBytes: number;
  #state: State = 'value';
  #nested = false;
  /** Right after `[`. */
  #mayClose = false;
  #escaped = false;
  /** Entries so far of each open array. */
  readonly #open: number[] = [];
  #written = 0;
  #bytes: BytesWriter;
  #out: DataView;
  readonly #token = new Token();
  readonly #scanner = new StringScanner();

  constructor(place: TensorPlace, out: Uint8Array) {
    this.#place = place;
    this.#elementBytes = ELEMENT_BYTES[place.datatype] ?? 0;
    this.#bytes = new BytesWriter(out, 0);
    this.#out = new DataView(out.buffer, out.byteOffset, out.byteLength);
  }

  regrow(out: Uint8Array): void {
    this.#bytes = this.#bytes.moveTo(out);
    this.#out = new DataView(out.buffer, out.byteOffset, out.byteLength);
  }

  get written(): number {
    return this.#place.datatype === 'BYTES' ? this.#bytes.written : this.#written;
  }

  /** Throws TextFault. */
  read(input: Input): ReadStatus {
    while (this.#state !== 'done') {
      if (this.#state === 'value' && this.#open.length > 0 && this.#atLeaf()) {
        // after `[` the first byte decides between flat and nested; an unsettled array is left to the states below
        if (!this.#mayClose || this.#nested || this.#place.shape.length <= 1) this.#readRun(input);
      }
      if (this.#state === 'value' || this.#state === 'after-value') skipSpace(input);
      if (input.p === input.end) return 'more';
      switch (this.#state) {
        case 'value':
          if (!this.#beginValue(input, input.bytes[input.p] ?? 0)) return 'grow';
          break;
        case 'after-value': this.#afterValue(input, input.bytes[input.p] ?? 0); break;
        case 'token':
          if (!this.#token.read(input)) return 'more';
          this.#endToken();
          break;
        case 'quoted-number': this.#readQuotedNumber(input); break;
        case 'string': {
          const status = this.#scanner.scan(input, this.#bytes);
          if (status !== 'end') return status === 'full' ? 'grow' : 'more';
          this.#bytes.endElement();
          this.#endValue();
        }
      }
    }
    return 'done';
  }

  /** The text has ended: completes a single number or word. False: something is missing. */
  end(): boolean {
    if (this.#state === 'token') this.#endToken();
    return this.#state === 'done';
  }

  #atLeaf(): boolean {
    const { shape } = this.#place;
    if (this.#nested) return this.#open.length === shape.length;
    return shape.length === 0 || this.#open.length === 1;
  }

  /** Entries that the open leaf array still takes. */
  #leafRoom(): number {
    const entries = this.#open.at(-1);
    if (entries === undefined) return 1;
    return (this.#nested ? this.#place.shape.at(-1) ?? 0 : this.#place.count) - entries;
  }

  #shapeText(): string {
    return `[${this.#place.shape.join(',')}]`;
  }

  #addEntries(entries: number): void {
    const last = this.#open.length - 1;
    this.#open[last] = (this.#open[last] ?? 0) + entries;
  }

  #beginValue(input: Input, byte: number): boolean {
    const position = input.base + input.p;
    if (byte === OPEN_ARRAY) this.#openArray(input);
    else if (byte === CLOSE_ARRAY && this.#mayClose) this.#closeArray(input);
    else if (byte === OPEN_OBJECT) throw new TextFault(position, 'an object is not tensor data');
    else if (byte === COMMA || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT || byte === COLON) {
      throw new TextFault(position, `${describe(byte)} stands where a value is expected`);
    } else return this.#beginLeaf(input, byte, position);
    return true;
  }

  /** Structure first: a wrong place is told before a wrong value. */
  #beginLeaf(input: Input, byte: number, position: number): boolean {
    const { shape, count, datatype } = this.#place;
    if (this.#open.length === 0 && shape.length > 0) throw new TextFault(position, 'data must be an array');
    if (!this.#atLeaf()) {
      throw new TextFault(position, `a value is not allowed here: data is a flat array, or nested exactly as shape ${this.#shapeText()}`);
    }
    if (this.#leafRoom() === 0) {
      if (this.#nested) this.#failTooMany(position, shape.length - 1);
      throw new TextFault(position, `more than ${String(count)} values for shape ${this.#shapeText()}`);
    }
    this.#token.begin(position);
    if (byte !== QUOTE) {
      this.#state = 'token';
      return true;
    }
    if (datatype === 'BYTES') {
      if (!this.#bytes.beginElement()) return false;
      this.#scanner.begin();
      this.#state = 'string';
    } else {
      this.#token.text = '"';
      this.#escaped = false;
      this.#state = 'quoted-number';
    }
    input.p += 1;
    return true;
  }

  #afterValue(input: Input, byte: number): void {
    if (byte === CLOSE_ARRAY) {
      this.#closeArray(input);
      return;
    }
    if (byte !== COMMA) throw new TextFault(input.base + input.p, `${describe(byte)} stands where \`,\` or \`]\` is expected`);
    input.p += 1;
    this.#mayClose = false;
    this.#state = 'value';
  }

  #failTooMany(position: number, dimension: number): never {
    throw new TextFault(position, `more than ${String(this.#place.shape[dimension])} entries in dimension ${String(dimension)} of shape ${this.#shapeText()}`);
  }

  #openArray(input: Input): void {
    const level = this.#open.length;
    const { shape, outerDepth, maxDepth } = this.#place;
    const position = input.base + input.p;
    if (level === 1 && this.#mayClose && shape.length > 1) this.#nested = true;
    if (level > 0) {
      if (!this.#nested || level >= shape.length) {
        throw new TextFault(position, `\`[\` is not allowed here: data is a flat array, or nested exactly as shape ${this.#shapeText()}`);
      }
      if (this.#open[level - 1] === shape[level - 1]) this.#failTooMany(position, level - 1);
      this.#addEntries(1);
    }
    if (outerDepth + level + 1 >= maxDepth) throw new TextFault(position, `nesting reaches the limit of ${String(maxDepth)}`);
    this.#open.push(0);
    this.#mayClose = true;
    this.#state = 'value';
    input.p += 1;
  }

  #closeArray(input: Input): void {
    const dimension = this.#open.length - 1;
    const entries = this.#open[dimension] ?? 0;
    const { shape, count } = this.#place;
    const position = input.base + input.p;
    if (this.#nested && entries !== shape[dimension]) {
      throw new TextFault(position, `${String(entries)} entries where dimension ${String(dimension)} of shape ${this.#shapeText()} needs ${String(shape[dimension])}`);
    }
    if (!this.#nested && entries !== count) {
      throw new TextFault(position, `${String(entries)} values where shape ${this.#shapeText()} needs ${String(count)}`);
    }
    this.#open.pop();
    input.p += 1;
    this.#state = this.#open.length === 0 ? 'done' : 'after-value';
  }

  #endToken(): void {
    const wrong = storeValue(this.#place.datatype, this.#token.text, this.#out, this.#written);
    if (wrong !== null) throw new TextFault(this.#token.start, wrong);
    this.#written += this.#elementBytes;
    this.#endValue();
  }

  #endValue(): void {
    this.#state = this.#open.length === 0 ? 'done' : 'after-value';
    if (this.#open.length > 0) this.#addEntries(1);
    this.#mayClose = false;
  }

  #readQuotedNumber(input: Input): void {
    while (input.p < input.end) {
      const byte = input.bytes[input.p] ?? 0;
      input.p += 1;
      this.#token.text += String.fromCharCode(byte);
      const closed = byte === QUOTE && !this.#escaped;
      this.#escaped = byte === BACKSLASH && !this.#escaped;
      if (closed || this.#token.text.length === MAX_QUOTED_BYTES) {
        this.#endToken();
        return;
      }
    }
  }

  #readRun(input: Input): void {
    const { entries, ended } = readRun(input, this.#place.datatype, this.#leafRoom(), this.#out, this.#written);
    if (entries === 0) return;
    this.#written += entries * this.#elementBytes;
    this.#addEntries(entries);
    this.#mayClose = false;
    if (ended) this.#state = 'after-value';
  }
}
