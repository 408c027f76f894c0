/** Random inputs for probing and warming up: seeded, so that every start of a host does the same. */
import { elementCount, type Datatype, type TensorSpec } from '../../contracts/tensor.ts';
import type { BatchAxis } from '../../contracts/model.ts';
import { rowLayout } from './gather.ts';
import type { Elements, EngineTensor } from './engine.ts';

/** Numbers in [0, 1). */
export type Random = () => number;

/** Mulberry32 (Tommy Ettinger, public domain): 32 bits of state, good enough to tell rows apart. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What random values look like. Integers are indices, lengths or masks in most models: only small ones are valid. */
export interface ValueKind {
  readonly real: (random: Random) => number;
  readonly integer: (random: Random) => number;
  /** Whether two rows of integers can differ: else nothing can be learned about rows. */
  readonly varies: boolean;
}

/** Box–Muller. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** In the order in which they are tried. */
export const VALUE_KINDS: readonly ValueKind[] = [
  { real: normal, integer: (random) => 1 + Math.floor(random() * 3), varies: true },
  { real: (random) => random(), integer: (random) => Math.floor(random() * 2), varies: true },
  { real: (random) => random(), integer: () => 0, varies: false },
  { real: (random) => random(), integer: () => 1, varies: false },
];

/** A tensor of random elements. */
function randomTensor(datatype: Datatype, shape: readonly number[], kind: ValueKind, random: Random): EngineTensor {
  const count = elementCount(shape) ?? 0;
  return { shape, data: randomElements(datatype, count, kind, random) };
}

function randomElements(datatype: Datatype, count: number, kind: ValueKind, random: Random): Elements {
  const integers = { length: count };
  const integer = (): number => kind.integer(random);
  switch (datatype) {
    case 'BYTES': return Array.from(integers, () => `word${integer()}`);
    case 'BOOL': return Uint8Array.from(integers, () => integer() & 1);
    case 'UINT8': return Uint8Array.from(integers, integer);
    case 'INT8': return Int8Array.from(integers, integer);
    case 'UINT16': return Uint16Array.from(integers, integer);
    case 'INT16': return Int16Array.from(integers, integer);
    case 'UINT32': return Uint32Array.from(integers, integer);
    case 'INT32': return Int32Array.from(integers, integer);
    case 'UINT64': return BigUint64Array.from(integers, () => BigInt(integer()));
    case 'INT64': return BigInt64Array.from(integers, () => BigInt(integer()));
    case 'FP16': return Uint16Array.from(integers, () => halfBits(kind.real(random)));
    case 'FP32': return Float32Array.from(integers, () => kind.real(random));
    case 'FP64': return Float64Array.from(integers, () => kind.real(random));
  }
}

/** Bits of the IEEE half nearest below in magnitude; values too small become 0. For |value| < 65,504. */
function halfBits(value: number): number {
  const magnitude = Math.abs(value);
  const sign = value < 0 ? 0x8000 : 0;
  if (magnitude < 2 ** -14) return sign;
  const exponent = Math.floor(Math.log2(magnitude));
  return sign | ((exponent + 15) << 10) | Math.floor((magnitude / 2 ** exponent - 1) * 1024);
}

/** The value of an IEEE half. */
export function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Rows that can be put together: each has its own tensor for inputs with a batch axis, and shares the others. */
export type Row = readonly EngineTensor[];

/**
 * `count` rows of the given one-row shapes. Neighbouring rows differ in every input that has a batch axis, wherever `kind`
 * can make them differ.
 */
export function randomRows(specs: readonly TensorSpec[], shapes: readonly (readonly number[])[], axes: readonly BatchAxis[], kind: ValueKind, count: number, random: Random): Row[] {
  const rows: Row[] = [];
  for (let row = 0; row < count; row += 1) {
    rows.push(specs.map(({ datatype }, input) => {
      const shape = shapes[input] ?? [];
      const first = rows[0]?.[input];
      if (first !== undefined && axes[input] === null) return first;
      const earlier = rows.map((each) => each[input]!);
      let tensor = randomTensor(datatype, shape, kind, random);
      // A BOOL of one element has two values: unlike all is impossible, unlike the neighbour is not.
      for (let attempt = 0; attempt < 32 && !isNew(tensor, attempt < 24 ? earlier : earlier.slice(-1)); attempt += 1) tensor = randomTensor(datatype, shape, kind, random);
      return tensor;
    }));
  }
  return rows;
}

function isNew({ data }: EngineTensor, others: readonly EngineTensor[]): boolean {
  return others.every((other) => data.some((element, index) => element !== other.data[index]));
}

/** Rows put together along each input's batch axis; an input without one is the same in all rows, and is taken once. */
export function joinRows(rows: readonly Row[], axes: readonly BatchAxis[]): EngineTensor[] {
  return (rows[0] ?? []).map((first, input) => {
    const axis = axes[input] ?? null;
    return axis === null || rows.length === 1 ? first : concatenate(rows.map((row) => row[input]!), axis);
  });
}

function concatenate(tensors: readonly EngineTensor[], axis: number): EngineTensor {
  const { shape, data } = tensors[0]!;
  const joined = shape.map((size, index) => (index === axis ? tensors.length : size));
  const { outer, innerBytes: inner } = rowLayout(shape, axis, 1);
  if (Array.isArray(data)) {
    const strings = Array.from({ length: outer }, (_, run) => tensors.flatMap((tensor) => (tensor.data as readonly string[]).slice(run * inner, (run + 1) * inner)));
    return { shape: joined, data: strings.flat() };
  }
  const bytes = tensors.map((tensor) => tensor.data as Uint8Array).map((view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  const innerBytes = bytes[0]!.byteLength / outer;
  const out = new Uint8Array(tensors.length * bytes[0]!.byteLength);
  for (let run = 0; run < outer; run += 1) {
    for (const [row, source] of bytes.entries()) out.set(source.subarray(run * innerBytes, (run + 1) * innerBytes), (run * tensors.length + row) * innerBytes);
  }
  const Typed = (data as Uint8Array).constructor as Uint8ArrayConstructor;
  return { shape: joined, data: new Typed(out.buffer) };
}
