/**
 * Writes models/identity/1/model.onnx: y = x for FP32 [batch, n], a model that costs nothing, for measuring what the
 * server costs. The 98 bytes are put together by hand so that the script needs nothing but Node.
 */
import { mkdirSync, writeFileSync } from 'node:fs';

const text = (value) => Buffer.from(value, 'utf8');
/** Protocol buffers' two wire types used here: 0 (varint, below 128) and 2 (length-delimited, below 128 bytes). */
const varint = (field, value) => Buffer.from([field << 3, value]);
const bytes = (field, ...parts) => {
  const body = Buffer.concat(parts);
  if (body.length > 127) throw new RangeError(`field ${field} has ${body.length} bytes; one byte of length holds 127`);
  return Buffer.concat([Buffer.from([(field << 3) | 2, body.length]), body]);
};

const dimension = (name) => bytes(1, bytes(2, text(name)));
const FLOAT = 1;
const value = (name) => Buffer.concat([bytes(1, text(name)), bytes(2, bytes(1, varint(1, FLOAT), bytes(2, dimension('batch'), dimension('n'))))]);
const node = Buffer.concat([bytes(1, text('x')), bytes(2, text('y')), bytes(4, text('Identity'))]);
const graph = [bytes(1, node), bytes(2, text('identity')), bytes(11, value('x')), bytes(12, value('y'))];
const model = Buffer.concat([varint(1, 8), bytes(2, text('sluice')), bytes(7, ...graph), bytes(8, varint(2, 17))]);

const folder = new URL('../models/identity/1/', import.meta.url);
mkdirSync(folder, { recursive: true });
writeFileSync(new URL('model.onnx', folder), model);
