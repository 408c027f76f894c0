/** The classification extension: instead of a tensor, its largest values as BYTES elements `value:index`, best first. */
import type { OutputTensor } from '../../contracts/job.ts';
import { ELEMENT_BYTES, type Datatype } from '../../contracts/tensor.ts';
import { SluiceError } from '../../errors.ts';
import { numberReader } from './numbers.ts';
import { quoted } from './text.ts';

/**
 * The `classes` largest values of each row. `batched`: axis 0 counts rows, and the answer has shape [rows, classes];
 * otherwise the whole tensor is one row, and it has shape [classes]. Equal values keep their order; NaN comes last.
 */
export function classify(output: OutputTensor, classes: number, batched: boolean): OutputTensor {
  const read = numberReader(output.data, output.datatype);
  const width = ELEMENT_BYTES[output.datatype];
  if (read === null || width === null) throw new SluiceError('BAD_TENSOR', `output ${quoted(output.name)}: classification needs numbers, and it is ${output.datatype}`);
  const rows = batched ? (output.shape[0] ?? 1) : 1;
  const elements = output.data.length / width;
  const perRow = rows === 0 ? 0 : elements / rows;
  const top = Math.min(classes, perRow);
  const parts: Buffer[] = [];
  for (let row = 0; row < rows; row += 1) {
    const start = row * perRow;
    const indices = Array.from({ length: perRow }, (_, index) => index);
    indices.sort((one, other) => descending(read(start + one), read(start + other)) || one - other);
    for (const index of indices.slice(0, top)) parts.push(element(`${shortest(read(start + index), output.datatype)}:${index}`));
  }
  return { name: output.name, datatype: 'BYTES', shape: batched ? [rows, top] : [top], data: Buffer.concat(parts) };
}

function descending(one: number | bigint, other: number | bigint): number {
  if (Number.isNaN(one)) return Number.isNaN(other) ? 0 : 1;
  if (Number.isNaN(other)) return -1;
  return one < other ? 1 : one > other ? -1 : 0;
}

/** The shortest decimal that reads back as the same value of its datatype: 9 digits are always enough for FP32 and FP16. */
function shortest(value: number | bigint, datatype: Datatype): string {
  if (typeof value === 'bigint' || datatype === 'FP64' || !Number.isFinite(value)) return String(value);
  for (let digits = 1; digits < 9; digits += 1) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return String(rounded);
  }
  return String(value);
}

function element(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(4 + text.length);
  bytes.writeUInt32LE(text.length);
  bytes.write(text, 4, 'latin1');
  return bytes;
}
