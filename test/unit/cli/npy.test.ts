import { describe, expect, it } from 'vitest';
import { isNpy, readNpy } from '../../../src/cli/input/npy.ts';

/** As numpy.save writes it. */
function npy(descr: string, shape: string, data: Uint8Array, { fortran = false, version = 1 } = {}): Buffer {
  const header = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': ${shape}, }`.padEnd(117) + '\n';
  const head = version === 1 ? Buffer.from([header.length & 255, header.length >> 8]) : Buffer.from([header.length & 255, header.length >> 8, 0, 0]);
  return Buffer.concat([Buffer.from('\x93NUMPY', 'latin1'), Buffer.from([version, 0]), head, Buffer.from(header), data]);
}

const bytes = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

describe('.npy', () => {
  it.each([1, 2, 3])('of version %i is read', (version) => {
    const file = npy('<f4', '(2, 1)', bytes(1, 2), { version });
    expect(isNpy(file)).toBe(true);
    expect(readNpy(file)).toEqual({ datatype: 'FP32', shape: [2, 1], data: Buffer.from(bytes(1, 2)) });
  });

  it.each([
    ['|b1', 'BOOL', 1], ['|u1', 'UINT8', 1], ['<u2', 'UINT16', 2], ['<u4', 'UINT32', 4], ['<u8', 'UINT64', 8], ['|i1', 'INT8', 1],
    ['<i2', 'INT16', 2], ['<i4', 'INT32', 4], ['<i8', 'INT64', 8], ['<f2', 'FP16', 2], ['<f8', 'FP64', 8],
  ])('reads %s as %s', (descr, datatype, width) => {
    expect(readNpy(npy(descr, '(3,)', new Uint8Array(3 * width)))).toMatchObject({ datatype, shape: [3] });
  });

  it('reads scalars, empty arrays, and columns that are rows as well', () => {
    expect(readNpy(npy('<f4', '()', bytes(7))).shape).toEqual([]);
    expect(readNpy(npy('<f4', '(0, 4)', bytes())).shape).toEqual([0, 4]);
    expect(readNpy(npy('<f4', '(2,)', bytes(1, 2), { fortran: true })).shape).toEqual([2]);
  });

  it.each([
    ['columns first', npy('<f4', '(2, 2)', bytes(1, 2, 3, 4), { fortran: true }), 'stored column by column: save np.ascontiguousarray(x)'],
    ['big-endian', npy('>f4', '(1,)', bytes(1)), 'is big-endian'],
    ['text', npy('<U5', '(1,)', new Uint8Array(20)), 'dtype <U5 are not supported'],
    ['cut off data', npy('<f4', '(2,)', bytes(1)), 'has 4 bytes of data, but its header promises 8'],
    ['surplus data', npy('<f4', '(1,)', bytes(1, 2)), 'has 8 bytes of data, but its header promises 4'],
    ['cut off header', npy('<f4', '(1,)', bytes(1)).subarray(0, 60), "header can't be read"],
    ['nothing but magic', Buffer.from('\x93NUMPY', 'latin1'), 'header is cut off'],
  ])('refuses %s', (_name, file, message) => {
    expect(() => readNpy(file)).toThrow(message);
  });
});
