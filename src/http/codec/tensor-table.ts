/** The inputs of one request while they arrive: places in the arena, filled one after another, given up all at once. */
import type { TensorArena } from '../../contracts/arena.ts';
import { ELEMENT_BYTES, type Lease, type Tensor } from '../../contracts/tensor.ts';
import { SluiceError } from '../../errors.ts';
import type { InputRule, ModelCodec } from './model-codec.ts';
import { checkBooleans, checkByteElements } from './tensor-content.ts';
import { quoted } from './text.ts';

/** A place in the arena that is being written. */
export interface Slot {
  readonly lease: Lease;
  readonly staged: Uint8Array<ArrayBuffer>;
}

/** Inputs in the model's order, and the leases under them. Whoever takes them owns the leases. */
export interface FilledInputs {
  readonly inputs: readonly Tensor[];
  readonly leases: readonly Lease[];
}

export class TensorTable {
  readonly codec: ModelCodec;
  readonly #arena: TensorArena;
  readonly #retryAfterMs: () => number;
  readonly #claimed: boolean[] = [];
  readonly #tensors: (Tensor | undefined)[] = [];
  #leases: Lease[] = [];

  /** `retryAfterMs`: when space may be free again, asked only when the arena is full. */
  constructor(codec: ModelCodec, arena: TensorArena, retryAfterMs: () => number) {
    this.codec = codec;
    this.#arena = arena;
    this.#retryAfterMs = retryAfterMs;
  }

  /** The rule of an input that begins. Throws BAD_TENSOR for an unknown name, and for one that came before. */
  claim(name: string): InputRule {
    const rule = this.codec.input(name);
    if (this.#claimed[rule.index] === true) throw new SluiceError('BAD_TENSOR', `${rule.label}: came twice`);
    this.#claimed[rule.index] = true;
    return rule;
  }

  /** Space for a whole tensor, beside rows of the same shape where the model batches. Throws OVERLOADED or TOO_LARGE. */
  reserve(rule: InputRule, shape: readonly number[], byteLength: number): Slot {
    const lane = byteLength === 0 ? null : rule.lane(shape);
    if (lane === null) return this.scratch(byteLength);
    return this.#hold(this.#arena.reserveInLane(lane, byteLength), byteLength);
  }

  /** Space for what is not known to be a tensor yet. Throws OVERLOADED or TOO_LARGE. */
  scratch(byteLength: number): Slot {
    return this.#hold(this.#arena.reserve(Math.max(1, byteLength)), byteLength);
  }

  /** A larger slot with the first `written` bytes of `slot`, which is given up. */
  grow(slot: Slot, written: number, byteLength: number): Slot {
    const larger = this.scratch(byteLength);
    larger.staged.set(slot.staged.subarray(0, written));
    this.release(slot);
    return larger;
  }

  release(slot: Slot): void {
    this.#leases = this.#leases.filter((lease) => lease !== slot.lease);
    slot.lease.release();
  }

  /** The tensor is written: `byteLength` bytes of the slot. Throws BAD_TENSOR for contents that its datatype does not allow. */
  fill(rule: InputRule, shape: readonly number[], count: number, slot: Slot, byteLength: number): void {
    const bytes = slot.staged.length === byteLength ? slot.staged : slot.staged.subarray(0, byteLength);
    const { datatype, name } = rule.spec;
    if (datatype === 'BOOL') checkBooleans(bytes, rule.label);
    if (ELEMENT_BYTES[datatype] === null) checkByteElements(bytes, count, rule.label);
    const held = slot.lease.region;
    const region = held.byteLength === byteLength ? held : { offset: held.offset, byteLength };
    this.#arena.memory.publish(region, bytes);
    this.#tensors[rule.index] = { name, datatype, shape, region };
  }

  /** Throws BAD_TENSOR when an input is missing, or when inputs differ in rows. From here on the leases are the caller's. */
  finish(): FilledInputs {
    const inputs: Tensor[] = [];
    let first: InputRule | null = null;
    let rows = 0;
    for (const rule of this.codec.inputs) {
      const tensor = this.#tensors[rule.index];
      if (tensor === undefined) throw new SluiceError('BAD_TENSOR', `${rule.label}: is missing`);
      inputs.push(tensor);
      if (rule.batchAxis === null) continue;
      const own = tensor.shape[rule.batchAxis] ?? 0;
      if (first === null) {
        first = rule;
        rows = own;
      } else if (own !== rows) {
        throw new SluiceError('BAD_TENSOR', `${rule.label}: has ${own} rows, but input ${quoted(first.spec.name)} has ${rows}`);
      }
    }
    const leases = this.#leases;
    this.#leases = [];
    return { inputs, leases };
  }

  /** Gives every place back. Does nothing after finish(), or when called again. */
  abandon(): void {
    const leases = this.#leases;
    this.#leases = [];
    for (const lease of leases) lease.release();
  }

  #hold(lease: Lease | null, byteLength: number): Slot {
    if (lease === null) throw this.#full(byteLength);
    this.#leases.push(lease);
    const { region } = lease;
    return { lease, staged: this.#arena.memory.stage(region.byteLength === byteLength ? region : { offset: region.offset, byteLength }) };
  }

  #full(byteLength: number): SluiceError {
    const { totalBytes } = this.#arena.usage();
    if (byteLength > totalBytes) {
      return new SluiceError('TOO_LARGE', `a tensor of ${byteLength} bytes is larger than the memory for all tensors, ${totalBytes} bytes; send fewer rows, or set ARENA_MIB`);
    }
    return new SluiceError('OVERLOADED', 'the memory for tensors is full; try again later', { retryAfterMs: this.#retryAfterMs() });
  }
}
