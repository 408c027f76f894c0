import { ELEMENT_BYTES, elementCount } from "../contracts/tensor.js";
import { bytesElementOffsets, layoutAlong, rowBytes } from "./slices.js";
/** Why the result can't be right, in words; null when it can. `memory` is read only for BYTES outputs. */
export function checkResult(model, order, result, memory) {
    const { outputs, timings } = result;
    if (outputs.length !== model.outputs.length)
        return `${outputs.length} outputs instead of ${model.outputs.length}`;
    for (let i = 0; i < outputs.length; i++) {
        const fault = checkOutput(model.outputs[i], model.batching.outputAxes[i] ?? null, order, outputs[i], memory);
        if (fault !== null)
            return fault;
    }
    const { startedMs, inputMs, inferMs, outputMs } = timings;
    const total = inputMs + inferMs + outputMs;
    if (!Number.isFinite(startedMs) || !Number.isFinite(total) || Math.min(inputMs, inferMs, outputMs) < 0)
        return 'impossible timings';
    return null;
}
function checkOutput(spec, axis, order, output, memory) {
    const { offset, byteLength, shape } = output;
    const { output: space } = order;
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(byteLength) || byteLength < 0 || offset < space.offset || offset + byteLength > space.offset + space.byteLength) {
        return `output ${spec.name} lies at [${offset}, ${offset + byteLength}), outside its space`;
    }
    const count = elementCount(shape);
    if (count === null)
        return `output ${spec.name} has the impossible shape [${shape.join(',')}]`;
    if (axis !== null && shape[axis] !== order.paddedRows)
        return `output ${spec.name} has the shape [${shape.join(',')}], with axis ${axis} other than the batch's ${order.paddedRows} rows`;
    const size = ELEMENT_BYTES[spec.datatype];
    if (size === null) {
        return bytesElementOffsets(memory.view({ offset, byteLength }), count) === null ? `output ${spec.name} is not ${count} length-prefixed elements` : null;
    }
    return count * size === byteLength ? null : `output ${spec.name} has ${byteLength} bytes instead of the ${count * size} of its shape`;
}
/** Outputs of each part, in batch order, without padding rows. Call checkResult first. */
export function scatter(model, order, parts, result, memory) {
    const byPart = parts.map(() => []);
    for (let i = 0; i < result.outputs.length; i++) {
        const { name, datatype } = model.outputs[i];
        const { offset, byteLength, shape } = result.outputs[i];
        const axis = model.batching.outputAxes[i] ?? null;
        const data = memory.view({ offset, byteLength });
        if (axis === null || (parts.length === 1 && parts[0].rows === order.paddedRows)) {
            for (const outputs of byPart)
                outputs.push({ name, datatype, shape, data });
            continue;
        }
        const layout = layoutAlong(shape, axis);
        const elementOffsets = datatype === 'BYTES' ? bytesElementOffsets(data, layout.outer * layout.rows * layout.inner) : null;
        let rowStart = 0;
        for (let p = 0; p < parts.length; p++) {
            const { rows } = parts[p];
            const partShape = shape.slice();
            partShape[axis] = rows;
            byPart[p].push({ name, datatype, shape: partShape, data: rowBytes(data, datatype, layout, rowStart, rows, elementOffsets) });
            rowStart += rows;
        }
    }
    return byPart;
}
