/** Puts the rows of a batch together: in place where they lie together, else by copying them along the batch axis. */
import type { Segment } from '../../contracts/device.ts';
import type { Region } from '../../contracts/tensor.ts';

/** How the rows of one input lie in memory: `outer` runs of `rows × innerBytes`. */
export interface RowLayout {
  /** Product of the dimensions before the batch axis. */
  readonly outer: number;
  /** Bytes of one row within a run. */
  readonly innerBytes: number;
}

/** Layout of a tensor of `shape` along `axis`. */
export function rowLayout(shape: readonly number[], axis: number, elementBytes: number): RowLayout {
  let outer = 1;
  let innerBytes = elementBytes;
  for (const [index, size] of shape.entries()) {
    if (index < axis) outer *= size;
    else if (index > axis) innerBytes *= size;
  }
  return { outer, innerBytes };
}

/** The region that holds the rows of all segments, in order and nothing else; null when they have to be copied. */
export function contiguousRegion(segments: readonly Segment[], { outer, innerBytes }: RowLayout): Region | null {
  const [first] = segments;
  if (first === undefined) return null;
  // Before another axis, rows of one tensor lie together only when the whole tensor is taken.
  if (outer !== 1) return segments.length === 1 && first.rows === first.totalRows ? { offset: first.offset, byteLength: first.byteLength } : null;
  const offset = first.offset + first.rowStart * innerBytes;
  let end = offset;
  for (const segment of segments) {
    if (segment.offset + segment.rowStart * innerBytes !== end) return null;
    end += segment.rows * innerBytes;
  }
  return { offset, byteLength: end - offset };
}

/**
 * Copies the rows of every segment into `out`, which has room for `paddedRows`, and fills the rest with copies of the last
 * row: any valid row does, and this one needs no thought about what the model accepts. `view` gives a segment's whole tensor.
 * Returns the bytes copied.
 */
export function gatherRows(segments: readonly Segment[], layout: RowLayout, paddedRows: number, out: Uint8Array, view: (region: Region) => Uint8Array): number {
  const { outer, innerBytes } = layout;
  const runBytes = paddedRows * innerBytes;
  let row = 0;
  for (const segment of segments) {
    const source = view(segment);
    const byteLength = segment.rows * innerBytes;
    for (let run = 0; run < outer; run += 1) {
      const from = (run * segment.totalRows + segment.rowStart) * innerBytes;
      out.set(source.subarray(from, from + byteLength), run * runBytes + row * innerBytes);
    }
    row += segment.rows;
  }
  for (let run = 0; run < outer && row > 0; run += 1) {
    const last = run * runBytes + (row - 1) * innerBytes;
    for (let padded = row; padded < paddedRows; padded += 1) out.copyWithin(run * runBytes + padded * innerBytes, last, last + innerBytes);
  }
  return outer * runBytes;
}

/** The same for BYTES, whose rows have no fixed size: `view` gives the strings of a segment's whole tensor. */
export function gatherStrings(segments: readonly Segment[], shape: readonly number[], axis: number, paddedRows: number, view: (region: Region) => readonly string[]): string[] {
  const { outer, innerBytes: inner } = rowLayout(shape, axis, 1);
  const sources = segments.map((segment) => ({ segment, strings: view(segment) }));
  const gathered: string[] = [];
  for (let run = 0; run < outer; run += 1) {
    const start = gathered.length;
    for (const { segment, strings } of sources) {
      const from = (run * segment.totalRows + segment.rowStart) * inner;
      gathered.push(...strings.slice(from, from + segment.rows * inner));
    }
    const last = gathered.slice(gathered.length - inner);
    while (gathered.length - start < paddedRows * inner && last.length > 0) gathered.push(...last);
  }
  return gathered;
}

/** True when the segments' figures agree with each other, the rows and the arena: what the front ordered can be read. */
export function isReadable(segments: readonly Segment[], layout: RowLayout | null, rows: number, arenaBytes: number): boolean {
  let sum = 0;
  for (const { offset, byteLength, rowStart, rows: count, totalRows } of segments) {
    if (offset < 0 || byteLength < 0 || offset + byteLength > arenaBytes || rowStart < 0 || count < 1 || rowStart + count > totalRows) return false;
    if (layout !== null && byteLength !== layout.outer * totalRows * layout.innerBytes) return false;
    sum += count;
  }
  return sum === rows;
}
