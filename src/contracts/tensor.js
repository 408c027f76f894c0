/**
 * Tensors as every stage sees them: what a model declares (TensorSpec) and where a request's bytes lie (Tensor).
 * Bytes are little-endian, row-major, without padding, as in the Open Inference Protocol's binary tensor extension.
 * BYTES is a run of (uint32 length, bytes) per element, in the arena as on the wire.
 */
export const DATATYPES = [
    'BOOL', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64', 'FP16', 'FP32', 'FP64', 'BYTES',
];
/** Bytes of one element; BYTES elements vary, which is why it is null. */
export const ELEMENT_BYTES = {
    BOOL: 1, UINT8: 1, UINT16: 2, UINT32: 4, UINT64: 8, INT8: 1, INT16: 2, INT32: 4, INT64: 8, FP16: 2, FP32: 4, FP64: 8, BYTES: null,
};
/** Product of the dimensions, or null when it is not a safe non-negative integer. A scalar (shape []) has one element. */
export function elementCount(shape) {
    let count = 1;
    for (const dimension of shape) {
        if (!Number.isSafeInteger(dimension) || dimension < 0)
            return null;
        count *= dimension;
    }
    return Number.isSafeInteger(count) ? count : null;
}
