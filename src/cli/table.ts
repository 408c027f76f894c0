/** Rows under headings, columns as wide as their widest cell; the last one is not padded. Ends with a line break. */
export function renderTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, column) => Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string => cells.map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ').trimEnd();
  return [line(headings), ...rows.map(line)].map((each) => `${each}\n`).join('');
}

/** `[-1, 3, 48]` as people write it: `[?, 3, 48]`. */
export function renderShape(shape: readonly number[]): string {
  return `[${shape.map((size) => (size === -1 ? '?' : String(size))).join(', ')}]`;
}

/** Milliseconds with as many digits as matter. */
export function renderMs(ms: number): string {
  return `${ms.toFixed(ms >= 100 ? 0 : ms >= 10 ? 1 : ms >= 0.1 || ms === 0 ? 2 : 4)} ms`;
}

/** Bytes in the largest unit that leaves at least one. */
export function renderBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1)} ${units[unit] ?? ''}`;
}
