/** Rows of a tensor as bytes: along axis 0 they are one range, along any other axis one range for each outer index. */
import { ELEMENT_BYTES } from "../contracts/tensor.js";
export function layoutAlong(shape, axis) {
    let outer = 1;
    let inner = 1;
    for (let i = 0; i < axis; i++)
        outer *= shape[i];
    for (let i = axis + 1; i < shape.length; i++)
        inner *= shape[i];
    return { outer, rows: shape[axis], inner };
}
/**
 * Where each BYTES element starts, with the end of the last one at index `count`. Null when the length prefixes do not
 * describe exactly `count` elements that fill the bytes.
 */
export function bytesElementOffsets(data, count) {
    // An element takes 4 bytes at least: refuses a count that would allocate more than the data can hold.
    if (count * 4 > data.byteLength)
        return null;
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const offsets = new Float64Array(count + 1);
    let at = 0;
    for (let i = 0; i < count; i++) {
        if (at + 4 > data.byteLength)
            return null;
        at += 4 + view.getUint32(at, true);
        offsets[i + 1] = at;
    }
    return at === data.byteLength ? offsets : null;
}
/**
 * Bytes of rows [rowStart, rowStart + rows) of `data`: a view along axis 0, else a copy. `elementOffsets` is needed for BYTES
 * (see bytesElementOffsets).
 */
export function rowBytes(data, datatype, layout, rowStart, rows, elementOffsets) {
    const size = ELEMENT_BYTES[datatype];
    const { outer, inner } = layout;
    const at = (element) => (size === null ? elementOffsets[element] : element * size);
    const first = (o) => (o * layout.rows + rowStart) * inner;
    if (outer === 1)
        return data.subarray(at(first(0)), at(first(0) + rows * inner));
    let total = 0;
    for (let o = 0; o < outer; o++)
        total += at(first(o) + rows * inner) - at(first(o));
    const copy = new Uint8Array(total);
    let written = 0;
    for (let o = 0; o < outer; o++) {
        const range = data.subarray(at(first(o)), at(first(o) + rows * inner));
        copy.set(range, written);
        written += range.byteLength;
    }
    return copy;
}
