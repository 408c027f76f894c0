import { ELEMENT_BYTES } from "../contracts/tensor.js";
/**
 * Rows are ordered by where they lie in the arena, so that neighbours become one segment: where all rows of an axis-0 input
 * lie together, the model reads them in place. Every input gets the same order.
 */
export function assemble(model, parts, placement, arena) {
    const { inputAxes } = model.batching;
    const leading = inputAxes.findIndex((axis) => axis !== null);
    const ordered = parts.length > 1 && leading !== -1 ? inArenaOrder(parts, leading) : parts;
    let rows = 0;
    for (const part of ordered)
        rows += part.rows;
    const inputs = model.inputs.map((spec, i) => {
        const axis = inputAxes[i] ?? null;
        const shape = ordered[0].job.inputs[i].shape;
        if (axis === null)
            return { shape, segments: [wholeTensor(ordered[0], i, arena)] };
        const segments = axis === 0 && ELEMENT_BYTES[spec.datatype] !== null ? mergedSegments(ordered, i, arena) : partSegments(ordered, i, axis, spec.datatype, arena);
        return { shape: withRows(shape, axis, placement.paddedRows), segments };
    });
    const { batchId, modelKey, paddedRows, output } = placement;
    return { order: { batchId, modelKey, inputs, rows, paddedRows, output }, parts: ordered };
}
function inArenaOrder(parts, input) {
    const place = (part) => part.job.inputs[input].region.offset;
    for (let i = 1; i < parts.length; i++) {
        // Stable, and parts of one job are told apart by their rows.
        if (place(parts[i]) < place(parts[i - 1]))
            return [...parts].sort((a, b) => place(a) - place(b) || a.rowStart - b.rowStart);
    }
    return parts;
}
/** Axis 0: rows of a job are consecutive bytes, so a part is a tensor of its own, and neighbours are one larger tensor. */
function mergedSegments(parts, input, arena) {
    const segments = [];
    let offset = 0;
    let byteLength = 0;
    let rows = 0;
    let generation = 0;
    for (const part of parts) {
        const { region } = part.job.inputs[input];
        const rowBytes = region.byteLength / part.jobRows;
        const partOffset = region.offset + part.rowStart * rowBytes;
        const partGeneration = arena.generation(region);
        if (rows > 0 && offset + byteLength === partOffset && generation === partGeneration) {
            byteLength += part.rows * rowBytes;
            rows += part.rows;
            continue;
        }
        if (rows > 0)
            segments.push({ offset, byteLength, rowStart: 0, rows, totalRows: rows, generation });
        offset = partOffset;
        byteLength = part.rows * rowBytes;
        rows = part.rows;
        generation = partGeneration;
    }
    segments.push({ offset, byteLength, rowStart: 0, rows, totalRows: rows, generation });
    return segments;
}
/** Any other axis, and BYTES, whose rows differ in length: the host finds the rows inside each job's tensor. */
function partSegments(parts, input, axis, datatype, arena) {
    const whole = axis === 0 && datatype === 'BYTES';
    const segments = [];
    for (const { job, rowStart, rows, jobRows } of parts) {
        const { region } = job.inputs[input];
        const generation = arena.generation(region);
        const last = segments.at(-1);
        if (whole && rows === jobRows && last?.rows === last?.totalRows && last !== undefined && last.offset + last.byteLength === region.offset && last.generation === generation) {
            const total = last.rows + rows;
            segments[segments.length - 1] = { offset: last.offset, byteLength: last.byteLength + region.byteLength, rowStart: 0, rows: total, totalRows: total, generation };
        }
        else {
            segments.push({ offset: region.offset, byteLength: region.byteLength, rowStart, rows, totalRows: jobRows, generation });
        }
    }
    return segments;
}
function wholeTensor(part, input, arena) {
    const { region } = part.job.inputs[input];
    return { offset: region.offset, byteLength: region.byteLength, rowStart: 0, rows: 1, totalRows: 1, generation: arena.generation(region) };
}
function withRows(shape, axis, rows) {
    if (shape[axis] === rows)
        return shape;
    const batched = shape.slice();
    batched[axis] = rows;
    return batched;
}
