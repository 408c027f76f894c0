/** Which jobs may share a batch: those of one model whose rows have equal shapes and whose shared inputs have equal bytes. */
import { createHash } from 'node:crypto';
import { elementCount } from "../contracts/tensor.js";
import { SluiceError } from "../errors.js";
/** Shared inputs up to this size stand in the bucket as they are; larger ones as their SHA-256, since a collision would mix answers. */
const PLAIN_BYTES = 32;
/** Models whose rows all have one shape and share no input: all their jobs have the same bucket. */
const ONE_BUCKET = '';
/**
 * Rows and bucket of a job. `memory` is read only for inputs without a batch axis.
 * Throws BAD_TENSOR, naming the input, when inputs disagree on their rows or have none.
 */
export function shapeOf(job, memory) {
    const { model, inputs } = job;
    if (inputs.length !== model.inputs.length) {
        throw new SluiceError('BAD_TENSOR', `${model.name} takes ${model.inputs.length} inputs, got ${inputs.length}`);
    }
    if (!model.batching.batchable)
        return { rows: 1, bucket: model.dynamicShapes ? exactShapes(inputs) : ONE_BUCKET };
    const rows = rowsOf(model, inputs);
    return { rows, bucket: bucketOf(model, inputs, memory) };
}
/** Elements of all inputs of one row: what costs of unmeasured shapes are scaled by. Inputs that rows share count whole. */
export function elementsPerRow(job, rows) {
    let elements = 0;
    job.inputs.forEach((input, i) => {
        const count = elementCount(input.shape) ?? 0;
        const axis = job.model.batching.inputAxes[i] ?? null;
        elements += axis === null ? count : count / rows;
    });
    return elements;
}
function rowsOf(model, inputs) {
    let rows = -1;
    let first = '';
    for (let i = 0; i < inputs.length; i++) {
        const { name, shape } = inputs[i];
        const axis = model.batching.inputAxes[i] ?? null;
        if (axis === null)
            continue;
        const found = shape[axis];
        if (found === undefined)
            throw new SluiceError('BAD_TENSOR', `input ${name}: shape [${shape.join(',')}] has no axis ${axis}, along which ${model.name} has its rows`);
        if (found < 1)
            throw new SluiceError('BAD_TENSOR', `input ${name}: axis ${axis} of shape [${shape.join(',')}] holds ${found} rows; send at least one`);
        if (rows === -1)
            [rows, first] = [found, name];
        else if (found !== rows)
            throw new SluiceError('BAD_TENSOR', `input ${name} has ${found} rows (axis ${axis} of shape [${shape.join(',')}]), but input ${first} has ${rows}`);
    }
    return rows === -1 ? 1 : rows;
}
function bucketOf(model, inputs, memory) {
    const { inputAxes } = model.batching;
    let bucket = ONE_BUCKET;
    for (let i = 0; i < inputs.length; i++) {
        const { shape, region } = inputs[i];
        const axis = inputAxes[i] ?? null;
        if (axis === null)
            bucket += `${shape.join(',')}=${digest(memory.view(region))};`;
        else if (model.dynamicShapes)
            bucket += `${rowShape(shape, axis)};`;
    }
    return bucket;
}
function exactShapes(inputs) {
    let bucket = '';
    for (const { shape } of inputs)
        bucket += `${shape.join(',')};`;
    return bucket;
}
function rowShape(shape, axis) {
    let text = '';
    for (let i = 0; i < shape.length; i++)
        text += i === axis ? '*,' : `${shape[i]},`;
    return text;
}
function digest(bytes) {
    if (bytes.byteLength <= PLAIN_BYTES)
        return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
    return `#${createHash('sha256').update(bytes).digest('base64')}`;
}
