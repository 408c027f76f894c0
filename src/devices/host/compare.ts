/** Whether two answers are the same, within a tolerance relative to their magnitude. */
import type { Datatype } from '../../contracts/tensor.ts';
import type { Elements, EngineTensor } from './engine.ts';
import { rowLayout } from './gather.ts';
import { halfValue } from './values.ts';

/** Rounding of a half: no answer in FP16 can be closer than this. */
const FP16_EPSILON = 2 ** -9;

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, index) => size === b[index]);
}

/** Every element within tolerance × the largest finite magnitude in `a`; strings and infinities exactly; NaN equals NaN. */
export function sameTensor(datatype: Datatype, a: EngineTensor, b: EngineTensor, tolerance: number): boolean {
  return sameShape(a.shape, b.shape) && sameRow(datatype, a, b, null, 0, tolerance);
}

/** The same for row `row` of `together` along `axis` (null: the whole of it) against the one row that `alone` has. */
export function sameRow(datatype: Datatype, alone: EngineTensor, together: EngineTensor, axis: number | null, row: number, tolerance: number): boolean {
  const read = reader(datatype);
  const rows = axis === null ? 1 : (together.shape[axis] ?? 0);
  const { outer, innerBytes: inner } = axis === null ? { outer: 1, innerBytes: alone.data.length } : rowLayout(together.shape, axis, 1);
  const limit = tolerance === 0 ? 0 : magnitude(read, alone.data) * (datatype === 'FP16' ? Math.max(tolerance, FP16_EPSILON) : tolerance);
  for (let run = 0; run < outer; run += 1) {
    const from = run * inner;
    const at = (run * rows + row) * inner;
    for (let index = 0; index < inner; index += 1) {
      const expected = alone.data[from + index];
      const found = together.data[at + index];
      if (expected === found) continue;
      const left = read(alone.data, from + index);
      const right = read(together.data, at + index);
      if (Number.isNaN(left) && Number.isNaN(right) && datatype !== 'BYTES') continue;
      if (!(Math.abs(left - right) <= limit)) return false;
    }
  }
  return true;
}

type Read = (data: Elements, index: number) => number;

/** An element as a number; NaN for strings, whose equality needs no number. */
function reader(datatype: Datatype): Read {
  // On Node 24, ORT gives halves as a Float16Array, whose elements are numbers already.
  if (datatype === 'FP16') return (data, index) => (data instanceof Uint16Array ? halfValue(data[index] ?? 0) : Number(data[index]));
  if (datatype === 'BYTES') return () => Number.NaN;
  return (data, index) => Number(data[index]);
}

function magnitude(read: Read, data: Elements): number {
  let largest = 0;
  for (let index = 0; index < data.length; index += 1) {
    const size = Math.abs(read(data, index));
    if (size > largest && size !== Infinity) largest = size;
  }
  return largest;
}
