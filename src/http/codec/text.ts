/** How names, shapes and counts of a client's request stand in messages: quoted, and never longer than a line. */
const MAX_NAME = 100;
const MAX_DIMENSIONS = 16;

/** A name as a JSON string, cut at 100 characters. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}…` : name);
}

/** `[1,3,48,192]`, cut after 16 dimensions. */
export function shapeText(shape: readonly number[]): string {
  return shape.length > MAX_DIMENSIONS ? `[${shape.slice(0, MAX_DIMENSIONS).join(',')},…]` : `[${shape.join(',')}]`;
}

/** `1 byte`, `2 bytes`. */
export function counted(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
