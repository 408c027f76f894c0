/** The tensors behind the JSON: each has its place before its first byte comes, and is filled chunk by chunk. */
import { ELEMENT_BYTES } from '../../contracts/tensor.ts';
import { SluiceError } from '../../errors.ts';
import type { EnvelopeInput } from './envelope.ts';
import type { InputRule } from './model-codec.ts';
import { binarySize } from './parameters.ts';
import type { Slot, TensorTable } from './tensor-table.ts';
import { counted, quoted } from './text.ts';

interface BinaryTensor {
  readonly rule: InputRule;
  readonly shape: readonly number[];
  readonly count: number;
  readonly size: number;
  slot: Slot;
}

export class BinaryPart {
  readonly #table: TensorTable;
  readonly #tensors: BinaryTensor[] = [];
  #current = 0;
  /** Bytes of the current tensor that are there. */
  #filled = 0;
  #surplus = 0;

  /**
   * Finds the inputs without `data` and reserves their places. `available`: bytes that may follow the JSON, at most; null
   * where the request does not say where its JSON ends, and so can't have any. Throws BAD_TENSOR for sizes that don't fit shapes or the body, NOT_SUPPORTED for shared memory, OVERLOADED, TOO_LARGE.
   */
  constructor(table: TensorTable, inputs: readonly EnvelopeInput[], available: number | null) {
    this.#table = table;
    let left = available ?? 0;
    for (const input of inputs) {
      const size = binarySize(input.parameters, `input ${quoted(input.name)}`);
      if (input.data !== undefined) {
        if (size !== null) throw new SluiceError('BAD_TENSOR', `input ${quoted(input.name)}: has both data and binary_data_size`);
        continue;
      }
      if (size === null) throw new SluiceError('BAD_TENSOR', `input ${quoted(input.name)}: has neither data nor binary_data_size`);
      if (available === null) throw new SluiceError('BAD_REQUEST', `input ${quoted(input.name)}: has binary_data_size, but no header Inference-Header-Content-Length says where the JSON ends`);
      const rule = table.claim(input.name);
      const count = rule.count(input.datatype, input.shape);
      checkSize(rule, count, size);
      if (size > left) throw missing(rule, size, left);
      left -= size;
      this.#tensors.push({ rule, shape: input.shape, count, size, slot: table.reserve(rule, input.shape, size) });
    }
    this.#finishFull();
  }

  /** Takes chunk[from…]. Throws BAD_TENSOR for contents that a datatype does not allow. */
  feed(chunk: Uint8Array, from: number): void {
    let at = from;
    while (at < chunk.length) {
      const tensor = this.#tensors[this.#current];
      if (tensor === undefined) {
        this.#surplus += chunk.length - at;
        return;
      }
      const taken = Math.min(chunk.length - at, tensor.size - this.#filled);
      tensor.slot.staged.set(at === 0 && taken === chunk.length ? chunk : chunk.subarray(at, at + taken), this.#filled);
      this.#filled += taken;
      at += taken;
      this.#finishFull();
    }
  }

  /** The body has ended. Throws BAD_TENSOR when a tensor is not full, BAD_REQUEST when bytes are left over. */
  finish(): void {
    const tensor = this.#tensors[this.#current];
    if (tensor !== undefined) throw missing(tensor.rule, tensor.size, this.#filled);
    if (this.#surplus === 0) return;
    const last = this.#tensors.at(-1);
    const behind = last === undefined ? 'the JSON, which announces no binary data' : `the ${counted(last.size, 'byte')} of ${last.rule.label}, the last one`;
    throw new SluiceError('BAD_REQUEST', `the body has ${counted(this.#surplus, 'byte')} after ${behind}`);
  }

  /** Hands over tensors that have all their bytes; one without any bytes is full from the start. */
  #finishFull(): void {
    for (let tensor = this.#tensors[this.#current]; tensor?.size === this.#filled; tensor = this.#tensors[this.#current]) {
      this.#table.fill(tensor.rule, tensor.shape, tensor.count, tensor.slot, tensor.size);
      this.#current += 1;
      this.#filled = 0;
    }
  }
}

function checkSize(rule: InputRule, count: number, size: number): void {
  const width = ELEMENT_BYTES[rule.spec.datatype];
  const wanted = count * (width ?? 4);
  if (width === null ? size >= wanted : size === wanted) return;
  throw new SluiceError('BAD_TENSOR', `${rule.label}: binary_data_size is ${size}, but ${counted(count, 'element')} of ${rule.spec.datatype} take ${width === null ? 'at least ' : ''}${wanted} bytes`);
}

function missing(rule: InputRule, size: number, came: number): SluiceError {
  return new SluiceError('BAD_TENSOR', `${rule.label}: binary_data_size is ${size}, but only ${counted(came, 'byte')} of the body are left for it`);
}
