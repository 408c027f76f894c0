/** What rows together and rows alone say about a model's outputs. Pure. */
import type { BatchAxis } from '../../contracts/model.ts';
import type { TensorSpec } from '../../contracts/tensor.ts';
import { sameRow, sameShape, sameTensor } from './compare.ts';
import type { EngineTensor } from './engine.ts';

type Outputs = readonly EngineTensor[];

export interface Answers {
  /** Answers to rows run alone. */
  readonly alone: readonly Outputs[];
  /** Answers to rows run together; `rows` are their indices in `alone`, in order. */
  readonly together: readonly { readonly outputs: Outputs; readonly rows: readonly number[] }[];
}

export interface Verdict {
  readonly axes: readonly BatchAxis[];
  /** Some output was different for different rows: without that, the experiment shows nothing. */
  readonly toldApart: boolean;
}

/** The axis along which each output holds the rows, or, in words, why rows don't stand alone. */
export function judge(specs: readonly TensorSpec[], answers: Answers, tolerance: number): Verdict | string {
  const axes: BatchAxis[] = [];
  let toldApart = false;
  for (const [index, spec] of specs.entries()) {
    const alone = answers.alone.map((outputs) => outputs[index]!);
    const together = answers.together.map(({ outputs, rows }) => ({ tensor: outputs[index]!, rows }));
    const axis = outputAxis(spec.name, alone, together);
    if (typeof axis === 'string') return axis;
    for (const { tensor, rows } of together) {
      for (const [place, row] of rows.entries()) {
        if (axis === null ? sameTensor(spec.datatype, alone[row]!, tensor, tolerance) : sameRow(spec.datatype, alone[row]!, tensor, axis, place, tolerance)) continue;
        return `output "${spec.name}" of a row changes with the rows beside it`;
      }
    }
    axes.push(axis);
    toldApart ||= alone.slice(1).some((other) => !sameTensor(spec.datatype, alone[0]!, other, 0));
  }
  // One run alone against itself has no axis to find.
  const single = answers.together.every(({ rows }) => rows.length === 1);
  if (!single && axes.every((axis) => axis === null)) return 'no output has an entry for each row';
  return { axes, toldApart };
}

function outputAxis(name: string, alone: readonly EngineTensor[], together: readonly { readonly tensor: EngineTensor; readonly rows: readonly number[] }[]): BatchAxis | string {
  const { shape } = alone[0]!;
  if (!alone.every((tensor) => sameShape(tensor.shape, shape))) return `the shape of output "${name}" depends on the values`;
  const changed = shape.flatMap((size, axis) => (together.some(({ tensor }) => tensor.shape[axis] !== size) ? [axis] : []));
  if (!together.every(({ tensor }) => tensor.shape.length === shape.length) || changed.length > 1) return `output "${name}" changes its shape in more than one dimension`;
  const [axis = null] = changed;
  if (axis === null) return null;
  const perRow = shape[axis]!;
  if (!together.every(({ tensor, rows }) => tensor.shape[axis] === perRow * rows.length)) return `the shape of output "${name}" does not grow with the rows`;
  return perRow === 1 ? axis : `output "${name}" has ${perRow} entries for each row along axis ${axis}`;
}
