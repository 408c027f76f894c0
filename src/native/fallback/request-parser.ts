/** The pure-TypeScript JsonRequestParser: the same states, faults and positions as native/request_parser.cc. */
import type { Datatype } from '../../contracts/tensor.ts';
import { checkRegrow, checkTarget } from '../checks.ts';
import type { JsonFault, JsonParserLimits, JsonParserStatus, JsonRequestParser } from '../contract.ts';
import { CaptureReader } from './capture.ts';
import { Envelope } from './envelope.ts';
import { KeySink, NULL_SINK, StringScanner } from './string-scanner.ts';
import { TensorReader } from './tensor-reader.ts';
import { CLOSE_ARRAY, CLOSE_OBJECT, COLON, COMMA, OPEN_ARRAY, OPEN_OBJECT, QUOTE, TextFault, Token, asBuffer, describe, isJsonNumber, skipSpace, snippet } from './text.ts';
import type { Input } from './text.ts';

type State =
  | 'root' | 'value' | 'value-or-close' | 'key' | 'key-or-close' | 'key-string' | 'colon' | 'string' | 'token' | 'after-value'
  | 'await-target' | 'data' | 'end' | 'dead';
type Container = 'array' | 'object' | 'root' | 'inputs' | 'element';

/** Arrays and objects around an input's data: the request, `inputs`, the input. */
const DATA_DEPTH = 3;

function isObject(container: Container | undefined): boolean {
  return container !== 'array' && container !== 'inputs';
}

export class FallbackParser implements JsonRequestParser {
  readonly #limits: JsonParserLimits;
  #state: State = 'root';
  readonly #stack: Container[] = [];
  readonly #rootKeys = new Set<string>();
  #elementKeys = new Set<string>();
  readonly #key = new KeySink();
  #keyStart = 0;
  readonly #token = new Token();
  readonly #scanner = new StringScanner();
  #reader: TensorReader | CaptureReader | null = null;
  #target: Uint8Array = new Uint8Array(0);

  readonly #envelope: Envelope;
  /** In #envelope, of the element being read. */
  #elementStart = 0;
  /** In #envelope, after the element's last complete member. */
  #memberEnd = 0;
  #input = -1;
  #read = 0;
  #consumed = 0;
  #fault: JsonFault | null = null;

  constructor(limits: JsonParserLimits) {
    this.#limits = limits;
    this.#envelope = new Envelope(limits.maxEnvelopeBytes);
  }

  get consumed(): number {
    return this.#consumed;
  }

  get written(): number {
    return this.#reader?.written ?? 0;
  }

  feed(chunk: Uint8Array, from: number): JsonParserStatus {
    if (!Number.isInteger(from) || from < 0 || from > chunk.byteLength) throw new RangeError(`from must be a whole number from 0 to ${String(chunk.byteLength)}`);
    if (this.#state === 'await-target') throw new TypeError('the parser waits for target() or capture()');
    if (this.#state === 'dead') return 'fault';
    const input: Input = { bytes: asBuffer(chunk), p: from, end: chunk.byteLength, base: this.#read - from };
    this.#envelope.resume(from);
    let status: JsonParserStatus | null = null;
    try {
      while (status === null) status = this.#run(input);
      if (status !== 'grow' && this.#state !== 'data') this.#envelope.flush(input);
    } catch (error) {
      if (!(error instanceof TextFault)) throw error;
      status = this.#die(input, error);
    }
    this.#consumed = input.p;
    this.#read += input.p - from;
    return status;
  }

  finish(): JsonParserStatus {
    if (this.#state === 'end') return 'more';
    if (this.#state !== 'dead') {
      this.#fault = { position: this.#read, message: 'the body ends before the request is complete', input: this.#currentInput() };
      this.#state = 'dead';
    }
    return 'fault';
  }

  fault(): JsonFault {
    if (this.#fault === null) throw new TypeError('the parser has no fault');
    return this.#fault;
  }

  element(): string {
    this.#checkAtTensor();
    return `${this.#envelope.slice(this.#elementStart, this.#memberEnd)}}`;
  }

  target(bytes: Uint8Array, datatype: Datatype, shape: readonly number[]): void {
    this.#checkAtTensor();
    const count = checkTarget(bytes, datatype, shape);
    this.#begin(bytes, new TensorReader({ datatype, shape, count, outerDepth: DATA_DEPTH, maxDepth: this.#limits.maxDepth }, bytes));
  }

  capture(bytes: Uint8Array): void {
    this.#checkAtTensor();
    this.#begin(bytes, new CaptureReader(DATA_DEPTH, this.#limits.maxDepth, bytes));
  }

  regrow(bytes: Uint8Array): void {
    if (this.#reader === null) throw new TypeError('regrow() without a target');
    checkRegrow(bytes, this.#target);
    this.#target = bytes;
    this.#reader.regrow(bytes);
  }

  envelope(): string {
    if (this.#state !== 'end') throw new TypeError('the request is not complete');
    return this.#envelope.slice(0);
  }

  #checkAtTensor(): void {
    if (this.#state !== 'await-target') throw new TypeError('the parser does not stand at a tensor');
  }

  #begin(bytes: Uint8Array, reader: TensorReader | CaptureReader): void {
    this.#target = bytes;
    this.#reader = reader;
    this.#state = 'data';
  }

  /** A body that is too large says so, whichever way it was split: what was read before the mistake counts first. */
  #die(input: Input, thrown: TextFault): JsonParserStatus {
    const oversize = this.#state === 'data' ? null : this.#envelope.oversize(input);
    const { position, message } = oversize ?? thrown;
    // too large is the request as a whole: which input it was in depends on the split
    this.#fault = { position, message, input: oversize === null ? this.#currentInput() : null };
    this.#state = 'dead';
    this.#envelope.clear();
    return 'fault';
  }

  #currentInput(): number | null {
    return this.#stack[DATA_DEPTH - 1] === 'element' ? this.#input : null;
  }

  /** Null: go on. */
  #run(input: Input): JsonParserStatus | null {
    switch (this.#state) {
      case 'data': return this.#runData(input);
      case 'string':
      case 'key-string': {
        const isKey = this.#state === 'key-string';
        const status = this.#scanner.scan(input, isKey && this.#keys() !== null ? this.#key : NULL_SINK);
        if (status !== 'end') return 'more';
        if (isKey) this.#endKey();
        else this.#endValue(input);
        return null;
      }
      case 'token': {
        if (!this.#token.read(input)) return 'more';
        const { text, start } = this.#token;
        if (text !== 'true' && text !== 'false' && text !== 'null' && !isJsonNumber(text)) throw new TextFault(start, `${snippet(text)} is not a JSON value`);
        this.#endValue(input);
        return null;
      }
      default:
        skipSpace(input);
        return input.p === input.end ? 'more' : this.#runStructure(input, input.bytes[input.p] ?? 0);
    }
  }

  #runData(input: Input): JsonParserStatus | null {
    const status = this.#reader?.read(input) ?? 'more';
    if (status !== 'done') return status;
    this.#envelope.append(this.#input);
    this.#envelope.resume(input.p);
    this.#endValue(input);
    return null;
  }

  #runStructure(input: Input, byte: number): JsonParserStatus | null {
    switch (this.#state) {
      case 'root':
        if (byte !== OPEN_OBJECT) throw new TextFault(input.base + input.p, 'the body must be a JSON object');
        this.#open(input, 'root');
        break;
      case 'value-or-close':
        if (byte === CLOSE_ARRAY) this.#close(input);
        else this.#beginValue(input, byte);
        break;
      case 'value': this.#beginValue(input, byte); break;
      case 'key-or-close':
      case 'key':
        if (byte === CLOSE_OBJECT && this.#state === 'key-or-close') {
          this.#close(input);
          break;
        }
        if (byte !== QUOTE) this.#unexpected(input, byte, this.#state === 'key' ? 'a key' : 'a key or `}`');
        this.#keyStart = input.base + input.p;
        this.#key.text = '';
        this.#scanner.begin();
        this.#state = 'key-string';
        input.p += 1;
        break;
      case 'colon':
        if (byte !== COLON) this.#unexpected(input, byte, '`:`');
        input.p += 1;
        if (this.#stack.at(-1) === 'element' && this.#key.text === 'data') {
          this.#envelope.flush(input);
          this.#state = 'await-target';
          return 'tensor';
        }
        this.#state = 'value';
        break;
      case 'after-value': this.#afterValue(input, byte); break;
      default: throw new TextFault(input.base + input.p, `${describe(byte)} stands after the end of the request`);
    }
    return null;
  }

  #afterValue(input: Input, byte: number): void {
    const object = isObject(this.#stack.at(-1));
    if (byte === (object ? CLOSE_OBJECT : CLOSE_ARRAY)) {
      this.#close(input);
      return;
    }
    if (byte !== COMMA) this.#unexpected(input, byte, object ? '`,` or `}`' : '`,` or `]`');
    input.p += 1;
    this.#state = object ? 'key' : 'value';
  }

  #unexpected(input: Input, byte: number, wanted: string): never {
    throw new TextFault(input.base + input.p, `${describe(byte)} stands where ${wanted} is expected`);
  }

  #beginValue(input: Input, byte: number): void {
    if (byte === COMMA || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT || byte === COLON) this.#unexpected(input, byte, 'a value');
    const around = this.#stack.at(-1);
    const position = input.base + input.p;
    if (around === 'inputs') {
      const { maxTensors } = this.#limits;
      if (this.#input + 1 === maxTensors) throw new TextFault(position, `more than ${String(maxTensors)} inputs`);
      this.#input += 1;
    }
    if (byte === OPEN_OBJECT) this.#open(input, around === 'inputs' ? 'element' : 'object');
    else if (byte === OPEN_ARRAY) this.#open(input, around === 'root' && this.#key.text === 'inputs' ? 'inputs' : 'array');
    else if (byte === QUOTE) {
      this.#scanner.begin();
      this.#state = 'string';
      input.p += 1;
    } else {
      this.#token.begin(position);
      this.#state = 'token';
    }
  }

  #open(input: Input, container: Container): void {
    const { maxDepth } = this.#limits;
    if (this.#stack.length + 1 >= maxDepth) throw new TextFault(input.base + input.p, `nesting reaches the limit of ${String(maxDepth)}`);
    if (container === 'element') {
      this.#elementKeys = new Set();
      this.#elementStart = this.#envelope.size(input);
      this.#memberEnd = this.#elementStart + 1;
    }
    this.#stack.push(container);
    this.#state = isObject(container) ? 'key-or-close' : 'value-or-close';
    input.p += 1;
  }

  #close(input: Input): void {
    this.#stack.pop();
    input.p += 1;
    this.#endValue(input);
  }

  /** Keys are read and compared where a repeated one is refused. */
  #keys(): Set<string> | null {
    const around = this.#stack.at(-1);
    return around === 'root' ? this.#rootKeys : around === 'element' ? this.#elementKeys : null;
  }

  #endKey(): void {
    const keys = this.#keys();
    if (keys?.has(this.#key.text) === true) throw new TextFault(this.#keyStart, `"${snippet(this.#key.text)}" appears twice in one object`);
    keys?.add(this.#key.text);
    this.#state = 'colon';
  }

  #endValue(input: Input): void {
    const around = this.#stack.at(-1);
    if (around === 'element') this.#memberEnd = this.#envelope.size(input);
    this.#state = around === undefined ? 'end' : 'after-value';
  }
}
