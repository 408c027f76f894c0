/** Outputs start at multiples of it. */
const ALIGNMENT = 64;
/** Bytes to reserve for a batch. Shapes that depend on the data get headroom; the host asks for more where it is not enough. */
export function outputBytes(batch, tuning) {
    const { bucket, placement, paddedRows } = batch;
    const { model } = bucket.model;
    const guess = (placement.report.outputBytesPerRow * bucket.elementsPerRow) / Math.max(1, placement.report.inputElementsPerRow);
    const perRow = bucket.outputBytesPerRow > 0 ? bucket.outputBytesPerRow : model.dynamicShapes ? guess : placement.report.outputBytesPerRow;
    const headroom = model.dynamicShapes ? tuning.outputHeadroom : 1;
    return Math.ceil(perRow * paddedRows * headroom) + ALIGNMENT * model.outputs.length;
}
/** Remembers what a row took. */
export function learnOutput(bucket, paddedRows, space, result) {
    let endOffset = space.offset;
    for (const { offset, byteLength } of result.outputs)
        endOffset = Math.max(endOffset, offset + byteLength);
    bucket.outputBytesPerRow = Math.max(bucket.outputBytesPerRow, (endOffset - space.offset) / paddedRows);
}
/** Remembers what a host asked for. */
export function learnNeeded(bucket, paddedRows, neededBytes) {
    bucket.outputBytesPerRow = Math.max(bucket.outputBytesPerRow, neededBytes / paddedRows);
}
