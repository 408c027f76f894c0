/**
 * Tensors as every stage sees them: what a model declares (TensorSpec) and where a request's bytes lie (Tensor).
 * Bytes are little-endian, row-major, without padding, as in the Open Inference Protocol's binary tensor extension.
 * BYTES is a run of (uint32 length, bytes) per element, in the arena as on the wire.
 */
export const DATATYPES = [
  'BOOL', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64', 'FP16', 'FP32', 'FP64', 'BYTES',
] as const;
export type Datatype = (typeof DATATYPES)[number];

/** Bytes of one element; BYTES elements vary, which is why it is null. */
export const ELEMENT_BYTES: Readonly<Record<Datatype, number | null>> = {
  BOOL: 1, UINT8: 1, UINT16: 2, UINT32: 4, UINT64: 8, INT8: 1, INT16: 2, INT32: 4, INT64: 8, FP16: 2, FP32: 4, FP64: 8, BYTES: null,
};

/** An input or output as the model declares it. A dimension of -1 is dynamic. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/** A place in the tensor arena. */
export interface Region {
  readonly offset: number;
  readonly byteLength: number;
}

/** A region that somebody holds. Released exactly once; a second release is a bug and throws. */
export interface Lease {
  readonly region: Region;
  release(): void;
}

/** One tensor of a request, written and checked. */
export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly region: Region;
}

/** Product of the dimensions, or null when it is not a safe non-negative integer. A scalar (shape []) has one element. */
export function elementCount(shape: readonly number[]): number | null {
  let count = 1;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) return null;
    count *= dimension;
  }
  return Number.isSafeInteger(count) ? count : null;
}
