/**
 * A raw request (Inference-Header-Content-Length: 0): the whole body is the model's only input, one row, with at most one
 * dimension left to find out from the length. A BYTES body is one element, without its length prefix.
 */
import { ELEMENT_BYTES, elementCount } from '../../contracts/tensor.ts';
import { SluiceError } from '../../errors.ts';
import type { InputRule } from './model-codec.ts';
import type { Slot, TensorTable } from './tensor-table.ts';
import { counted, quoted } from './text.ts';

/** First size of the place for a body of unknown length; doubled as it fills. */
const FIRST_BYTES = 65_536;
const PREFIX_BYTES = 4;

export class RawPart {
  readonly #table: TensorTable;
  readonly #rule: InputRule;
  readonly #prefix: number;
  #slot: Slot;
  #written: number;

  /** `length`: bytes of the body, null where nobody has said. Throws BAD_REQUEST for a model that takes no raw requests. */
  constructor(table: TensorTable, length: number | null) {
    const { inputs, model } = table.codec;
    const only = inputs[0];
    if (only === undefined || inputs.length !== 1) {
      throw new SluiceError('BAD_REQUEST', `a raw request (Inference-Header-Content-Length: 0) needs a model with one input; ${quoted(model.name)} has ${inputs.length}`);
    }
    if (openDimensions(only) > 1) {
      throw new SluiceError('BAD_REQUEST', `a raw request (Inference-Header-Content-Length: 0) can find out one dimension; ${only.label} leaves ${openDimensions(only)} open`);
    }
    this.#table = table;
    this.#rule = table.claim(only.spec.name);
    this.#prefix = only.spec.datatype === 'BYTES' ? PREFIX_BYTES : 0;
    this.#written = this.#prefix;
    if (length !== null && this.#prefix === 0) {
      const { shape, count } = this.#measure(length);
      this.#slot = table.reserve(only, shape, count * (ELEMENT_BYTES[only.spec.datatype] ?? 1));
    } else {
      this.#slot = table.scratch(this.#prefix + (length ?? FIRST_BYTES));
    }
  }

  feed(chunk: Uint8Array): void {
    const needed = this.#written + chunk.length;
    if (needed > this.#slot.staged.length) this.#slot = this.#table.grow(this.#slot, this.#written, Math.max(needed, 2 * this.#slot.staged.length));
    this.#slot.staged.set(chunk, this.#written);
    this.#written = needed;
  }

  /** Throws BAD_TENSOR for a length that no shape of the input has. */
  finish(): void {
    const length = this.#written - this.#prefix;
    if (this.#prefix !== 0) new DataView(this.#slot.staged.buffer, this.#slot.staged.byteOffset).setUint32(0, length, true);
    const { shape, count } = this.#measure(length);
    this.#table.fill(this.#rule, shape, count, this.#slot, this.#written);
  }

  #measure(length: number): { readonly shape: readonly number[]; readonly count: number } {
    const { wanted, batchAxis, label, spec } = this.#rule;
    const width = ELEMENT_BYTES[spec.datatype];
    const row = wanted.map((dimension, axis) => (axis === batchAxis ? 1 : dimension));
    const open = width === null ? -1 : row.indexOf(-1);
    const known = elementCount(row.map((dimension) => (dimension === -1 ? 1 : dimension))) ?? 0;
    const unit = known * (width ?? 1);
    const fits = width === null ? known === 1 : open === -1 ? length === unit : length % unit === 0;
    if (!fits) {
      const needs = width === null ? 'a raw BYTES body is one element' : `${open === -1 ? '' : 'a multiple of '}${counted(unit, 'byte')} of ${spec.datatype}`;
      throw new SluiceError('BAD_TENSOR', `${label}: a raw body of ${counted(length, 'byte')} came; it takes ${needs}`);
    }
    const shape = width === null ? row.map(() => 1) : row.map((dimension) => (dimension === -1 ? length / unit : dimension));
    return { shape, count: this.#rule.count(spec.datatype, shape) };
  }
}

function openDimensions({ wanted, batchAxis }: InputRule): number {
  return wanted.filter((dimension, axis) => dimension === -1 && axis !== batchAxis).length;
}
