import { elementCount } from "../contracts/tensor.js";
import { bytesElementOffsets, layoutAlong, rowBytes } from "./slices.js";
/**
 * `parts` in row order. Outputs without a batch axis are the last part's: all rows share them. Null when parts differ in
 * another axis (an output whose shape depends on the data), so that there is no one tensor to return.
 */
export function join(model, parts) {
    const joined = [];
    for (let i = 0; i < model.outputs.length; i++) {
        const pieces = parts.map((outputs) => outputs[i]);
        const axis = model.batching.outputAxes[i] ?? null;
        const output = axis === null ? pieces.at(-1) : joinAlong(pieces, axis);
        if (output === null)
            return null;
        joined.push(output);
    }
    return joined;
}
function joinAlong(pieces, axis) {
    const { name, datatype, shape: first } = pieces[0];
    let rows = 0;
    let byteLength = 0;
    for (const { shape, data } of pieces) {
        if (shape.length !== first.length || shape.some((dimension, i) => i !== axis && dimension !== first[i]))
            return null;
        rows += shape[axis];
        byteLength += data.byteLength;
    }
    const shape = first.slice();
    shape[axis] = rows;
    const data = new Uint8Array(byteLength);
    const layouts = pieces.map((piece) => layoutAlong(piece.shape, axis));
    const offsets = pieces.map((piece) => (datatype === 'BYTES' ? bytesElementOffsets(piece.data, elementCount(piece.shape)) : null));
    let written = 0;
    for (let outer = 0; outer < layouts[0].outer; outer++) {
        for (let p = 0; p < pieces.length; p++) {
            // One outer index of a piece, seen as a tensor whose rows are the outer indices, is one range of bytes.
            const { outer: outers, rows: pieceRows, inner } = layouts[p];
            const range = rowBytes(pieces[p].data, datatype, { outer: 1, rows: outers, inner: pieceRows * inner }, outer, 1, offsets[p]);
            data.set(range, written);
            written += range.byteLength;
        }
    }
    return { name, datatype, shape, data };
}
