import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jsonBody } from '../wire.ts';
import { IMAGE_VALUES } from './images.ts';

/** The inputs of a run with their expected answers, as files that every process of the run reads. */
export interface Dataset {
  readonly count: number;
  /** Row `index` as FP32 [1, 3, 48, 192]; rows lie one after another in one buffer. */
  row(index: number): Float32Array;
  /** `length` rows from `index` on, as one view. */
  rows(index: number, length: number): Float32Array;
  /** What plain onnxruntime-node answered to row `index`, alone. */
  expected(index: number): readonly number[];
  /** Row `index` as a JSON body. Reads about 140 MB on first use. */
  jsonBody(index: number): Buffer;
}

const ROWS_FILE = 'rows.f32';
const EXPECTED_FILE = 'expected.json';
const JSON_FILE = 'bodies.json.bin';
const JSON_ENDS_FILE = 'bodies.json.ends';

/** Writes a data set into an existing folder. */
export function writeDataset(folder: string, rows: Float32Array, expected: readonly (readonly number[])[]): void {
  const bodies = expected.map((_, index) => jsonBody(rows.subarray(index * IMAGE_VALUES, (index + 1) * IMAGE_VALUES)));
  let end = 0;
  const ends = bodies.map((body) => (end += body.length));
  writeFileSync(join(folder, ROWS_FILE), Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength));
  writeFileSync(join(folder, EXPECTED_FILE), JSON.stringify(expected));
  writeFileSync(join(folder, JSON_FILE), Buffer.concat(bodies));
  writeFileSync(join(folder, JSON_ENDS_FILE), JSON.stringify(ends));
}

/** Reads what {@link writeDataset} wrote. */
export function readDataset(folder: string): Dataset {
  const file = readFileSync(join(folder, ROWS_FILE));
  const values = new Float32Array(file.buffer, file.byteOffset, file.byteLength / Float32Array.BYTES_PER_ELEMENT);
  const expected = JSON.parse(readFileSync(join(folder, EXPECTED_FILE), 'utf8')) as number[][];
  let bodies: { readonly bytes: Buffer; readonly ends: readonly number[] } | null = null;

  return {
    count: expected.length,
    row: (index) => values.subarray(index * IMAGE_VALUES, (index + 1) * IMAGE_VALUES),
    rows: (index, length) => values.subarray(index * IMAGE_VALUES, (index + length) * IMAGE_VALUES),
    expected(index) {
      const answer = expected[index];
      if (answer === undefined) throw new RangeError(`the data set has no row ${index}`);
      return answer;
    },
    jsonBody(index) {
      bodies ??= {
        bytes: readFileSync(join(folder, JSON_FILE)),
        ends: JSON.parse(readFileSync(join(folder, JSON_ENDS_FILE), 'utf8')) as number[],
      };
      return bodies.bytes.subarray(bodies.ends[index - 1] ?? 0, bodies.ends[index]);
    },
  };
}
