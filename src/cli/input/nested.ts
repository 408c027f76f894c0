/** JSON arrays as tensors. */
import { CommandError } from '../io.ts';

/** The shape of nested arrays, all of one length at each depth; a single value has shape []. Throws CommandError. */
export function nestedShape(json: string): readonly number[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new CommandError(`neither JSON, nor a .npy file, nor a PNG or JPEG picture (${error instanceof Error ? error.message : String(error)})`, { cause: error });
  }
  const shape: number[] = [];
  for (let level: unknown = value; Array.isArray(level); level = (level as readonly unknown[])[0]) shape.push(level.length);
  check(value, shape, 0);
  return shape;
}

function check(value: unknown, shape: readonly number[], depth: number): void {
  const size = shape[depth];
  if (size === undefined) {
    if (Array.isArray(value) || value === null || typeof value === 'object') throw new CommandError('the nested arrays are not all of one depth');
    return;
  }
  if (!Array.isArray(value) || value.length !== size) throw new CommandError(`the nested arrays are not all of one length: at depth ${depth + 1} one has ${size} elements, another ${Array.isArray(value) ? value.length : 'is no array'}`);
  for (const each of value) check(each, shape, depth + 1);
}
