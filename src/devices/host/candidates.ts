/** Which axes could be the batch, and which shapes to try a model with. Pure. */
import type { BatchAxis } from '../../contracts/model.ts';
import type { TensorSpec } from '../../contracts/tensor.ts';

/** At most this many guesses about axes are tried on a model. */
const MAX_CANDIDATES = 32;

/** Sizes for dynamic dimensions that are not the batch, in the order tried: multiples of 32 suit image models, 512 audio frames. */
const SIZE_GUESSES = [64, 16, 32, 128, 224, 8, 512, 3, 1];

/**
 * Guesses at each input's batch axis, likeliest first: the first dynamic dimension of every input; the dimensions that share
 * one name; then every other choice of one dynamic dimension for each input. Names only order the guesses. An input that has
 * a dynamic dimension is never taken for one that all rows share: a shared `lengths`, say, would hide that it trims its rows.
 */
export function axisCandidates(inputs: readonly TensorSpec[], dimensionNames: readonly (readonly string[])[]): readonly (readonly BatchAxis[])[] {
  const choices = inputs.map(({ shape }): readonly BatchAxis[] => {
    const dynamic = shape.flatMap((size, axis) => (size === -1 ? [axis] : []));
    return dynamic.length === 0 ? [null] : dynamic;
  });
  if (choices.every(([axis]) => axis === null)) return [];
  const names = new Set(dimensionNames.flat().filter((name) => name !== ''));
  const named = [...names].map((name) => choices.map((axes, input) => axes.find((axis) => axis === null || dimensionNames[input]?.[axis] === name)));
  const found = new Map<string, readonly BatchAxis[]>();
  for (const axes of [choices.map(([axis]) => axis), ...named, ...combinations(choices)]) {
    if (axes.every((axis) => axis !== undefined)) found.set(axes.join(), axes);
    if (found.size === MAX_CANDIDATES) break;
  }
  return [...found.values()];
}

/** Every way to take one of each. */
function* combinations(choices: readonly (readonly BatchAxis[])[]): Generator<readonly BatchAxis[]> {
  const [first, ...others] = choices;
  if (first === undefined) {
    yield [];
    return;
  }
  for (const axis of first) for (const rest of combinations(others)) yield [axis, ...rest];
}

/** Shapes of one row, by input, to be tried in this order. `warmupShapes` are taken as they are, with or without the batch axis. */
export function rowShapes(inputs: readonly TensorSpec[], axes: readonly BatchAxis[], warmupShapes: Readonly<Record<string, readonly number[]>>): readonly (readonly (readonly number[])[])[] {
  const tries = SIZE_GUESSES.map((guess) => inputs.map((spec, input) => rowShape(spec, axes[input] ?? null, warmupShapes[spec.name], guess)));
  return [...new Map(tries.map((shapes) => [JSON.stringify(shapes), shapes])).values()];
}

function rowShape({ shape }: TensorSpec, axis: BatchAxis, given: readonly number[] | undefined, guess: number): readonly number[] {
  const whole = given === undefined ? undefined : given.length === shape.length || axis === null ? given : [...given.slice(0, axis), 1, ...given.slice(axis)];
  return shape.map((size, index) => (index === axis ? 1 : size === -1 ? (whole?.[index] ?? guess) : size));
}
