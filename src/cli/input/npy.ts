/** NumPy's .npy files (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), versions 1 to 3. */
import type { Datatype } from '../../contracts/tensor.ts';
import { ELEMENT_BYTES, elementCount } from '../../contracts/tensor.ts';
import { CommandError } from '../io.ts';

export interface NpyArray {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Little-endian, row-major. */
  readonly data: Uint8Array;
}

const MAGIC = Buffer.from('\x93NUMPY', 'latin1');

/** By kind and bytes, as in the header's `descr` without the byte order. */
const DATATYPES: Readonly<Record<string, Datatype>> = {
  b1: 'BOOL', u1: 'UINT8', u2: 'UINT16', u4: 'UINT32', u8: 'UINT64', i1: 'INT8', i2: 'INT16', i4: 'INT32', i8: 'INT64', f2: 'FP16', f4: 'FP32', f8: 'FP64',
};

export function isNpy(bytes: Buffer): boolean {
  return bytes.subarray(0, MAGIC.length).equals(MAGIC);
}

/** Reads a whole file. Throws CommandError for what is broken, or stored in a way that tensors are not. */
export function readNpy(bytes: Buffer): NpyArray {
  if (bytes.length < 12) throw new CommandError('the .npy header is cut off');
  const wide = (bytes[6] ?? 1) >= 2;
  const headerStart = wide ? 12 : 10;
  const headerEnd = headerStart + (wide ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8));
  const header = bytes.toString('utf8', headerStart, headerEnd);
  const descr = /'descr':\s*'([<>|=]?)(\w+)'/.exec(header);
  const order = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const dimensions = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (headerEnd > bytes.length || descr === null || order === undefined || dimensions === undefined) throw new CommandError('the .npy header can\'t be read; structured arrays are not supported');
  const [, byteOrder, type = ''] = descr;
  const datatype = DATATYPES[type];
  if (datatype === undefined) throw new CommandError(`.npy arrays of dtype ${byteOrder ?? ''}${type} are not supported`);
  if (byteOrder === '>') throw new CommandError('the .npy array is big-endian: save x.astype(x.dtype.newbyteorder("<"))');
  const shape = dimensions.split(',').filter((text) => text.trim() !== '').map(Number);
  if (order === 'True' && shape.length > 1) throw new CommandError('the .npy array is stored column by column: save np.ascontiguousarray(x)');
  const expected = (elementCount(shape) ?? NaN) * (ELEMENT_BYTES[datatype] ?? 0);
  const data = bytes.subarray(headerEnd);
  if (data.length !== expected) throw new CommandError(`the .npy array has ${data.length} bytes of data, but its header promises ${expected}`);
  return { datatype, shape, data };
}
