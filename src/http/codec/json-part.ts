/**
 * The JSON of an infer request as it arrives: the envelope goes to the parser's text, each input's `data` straight to its
 * place in the arena. Where `data` comes before shape or datatype, its text is kept in the arena and parsed at the end.
 */
import { ELEMENT_BYTES } from '../../contracts/tensor.ts';
import { SluiceError } from '../../errors.ts';
import type { JsonFault, JsonParserLimits, JsonRequestParser, NativeModule } from '../../native/contract.ts';
import { checkEnvelope, checkInputHead, type Envelope, type EnvelopeInput } from './envelope.ts';
import type { InputRule } from './model-codec.ts';
import type { Slot, TensorTable } from './tensor-table.ts';
import { counted, quoted } from './text.ts';

/** First size of a place whose need is not known; doubled as it fills. */
const FIRST_BYTES = 4096;

/** `data` of one input: written as a tensor (rule known), or kept as text. */
interface DataSlot {
  readonly rule: InputRule | null;
  readonly label: string;
  readonly shape: readonly number[];
  readonly count: number;
  slot: Slot;
  written: number;
}

export class JsonPart {
  readonly #native: NativeModule;
  readonly #parser: JsonRequestParser;
  readonly #table: TensorTable;
  readonly #maxBytes: number;
  readonly #data: DataSlot[] = [];
  #open: DataSlot | null = null;

  /** `maxBytes`: what the JSON can come to at most, which bounds what a shape may ask for. */
  constructor(native: NativeModule, table: TensorTable, limits: JsonParserLimits, maxBytes: number) {
    this.#native = native;
    this.#parser = native.createJsonRequestParser(limits);
    this.#table = table;
    this.#maxBytes = maxBytes;
  }

  /** Takes a chunk whole. Throws BAD_JSON, BAD_TENSOR, OVERLOADED or TOO_LARGE. */
  feed(chunk: Uint8Array): void {
    let from = 0;
    for (;;) {
      const status = this.#parser.feed(chunk, from);
      if (status === 'more') return;
      if (status === 'fault') throw this.#fault(this.#parser.fault());
      from = this.#parser.consumed;
      if (status === 'tensor') this.#begin();
      else this.#grow();
    }
  }

  /** The JSON has ended. All its tensors are in the table. Throws as `feed`, and BAD_REQUEST for a wrong envelope. */
  finish(): Envelope {
    if (this.#parser.finish() === 'fault') throw this.#fault(this.#parser.fault());
    this.#end();
    const envelope = checkEnvelope(this.#parser.envelope());
    let next = 0;
    for (const input of envelope.inputs) {
      if (input.data === undefined) continue;
      const data = this.#data[next];
      next += 1;
      if (data?.rule === null) this.#parseKept(data, input);
    }
    return envelope;
  }

  #begin(): void {
    this.#end();
    const label = `inputs[${this.#data.length}]`;
    const { name, datatype, shape } = checkInputHead(this.#parser.element(), label);
    if (name === undefined || datatype === undefined || shape === undefined) {
      this.#open = { rule: null, label: name === undefined ? label : `input ${quoted(name)}`, shape: [], count: 0, slot: this.#table.scratch(FIRST_BYTES), written: 0 };
      this.#parser.capture(this.#open.slot.staged);
      return;
    }
    const rule = this.#table.claim(name);
    const count = rule.count(datatype, shape);
    const width = ELEMENT_BYTES[datatype];
    // The shortest value is one digit and a comma, or "" and a comma.
    if (count * (width === null ? 3 : 2) - 1 > this.#maxBytes) {
      throw new SluiceError('BAD_TENSOR', `${rule.label}: its shape has ${count} elements, more than a body of ${counted(this.#maxBytes, 'byte')} can hold`);
    }
    const slot = width === null ? this.#table.scratch(FIRST_BYTES) : this.#table.reserve(rule, shape, count * width);
    this.#open = { rule, label: rule.label, shape, count, slot, written: 0 };
    this.#parser.target(slot.staged, datatype, shape);
  }

  #grow(): void {
    const open = this.#open;
    if (open === null) throw new Error('the parser asks for more space, but no tensor is open');
    open.slot = this.#table.grow(open.slot, this.#parser.written, 2 * open.slot.staged.length);
    this.#parser.regrow(open.slot.staged);
  }

  /** Closes the tensor that the parser has left. */
  #end(): void {
    const open = this.#open;
    if (open === null) return;
    this.#open = null;
    open.written = this.#parser.written;
    this.#data.push(open);
    if (open.rule !== null) this.#table.fill(open.rule, open.shape, open.count, open.slot, open.written);
  }

  #parseKept(data: DataSlot, input: EnvelopeInput): void {
    const rule = this.#table.claim(input.name);
    const count = rule.count(input.datatype, input.shape);
    const width = ELEMENT_BYTES[input.datatype];
    const text = data.slot.staged.subarray(0, data.written);
    // A BYTES element takes at least `"",` in JSON and 4 bytes + contents in a tensor.
    const slot = width === null
      ? this.#table.scratch(Math.ceil((text.length * 4) / 3) + 4)
      : this.#table.reserve(rule, input.shape, count * width);
    const { fault, written } = this.#native.parseTensorText(text, input.datatype, input.shape, slot.staged);
    if (fault !== null) throw new SluiceError('BAD_TENSOR', `${rule.label}: ${fault.message} (at byte ${fault.position} of its data)`);
    this.#table.fill(rule, input.shape, count, slot, written);
    this.#table.release(data.slot);
  }

  #fault({ input, message, position }: JsonFault): SluiceError {
    if (input === null) return new SluiceError('BAD_JSON', `${message} (at byte ${position} of the body)`);
    // The open tensor is the k-th with data, so at least inputs[k]: it is the faulty one only where both numbers agree.
    const label = this.#open !== null && this.#data.length === input ? this.#open.label : `inputs[${input}]`;
    return new SluiceError('BAD_TENSOR', `${label}: ${message} (at byte ${position} of the body)`);
  }
}
