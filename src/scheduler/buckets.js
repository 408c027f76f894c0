/** A model's buckets and their curves, made when first needed and forgotten when there are too many. */
import { createCurve } from "./costs.js";
import { createQueue } from "./queue.js";
/** `elementsPerRow`: input elements of one row; called only for a bucket that is new. */
export function bucketFor(state, model, name, elementsPerRow) {
    const known = model.buckets.get(name);
    if (known !== undefined)
        return known;
    if (model.buckets.size >= state.tuning.maxBucketsPerModel)
        forgetOne(model);
    const bucket = createBucket(model, name, elementsPerRow());
    model.buckets.set(name, bucket);
    return bucket;
}
function createBucket(model, name, elementsPerRow) {
    const fields = {
        name, model, elementsPerRow, curves: [], outputBytesPerRow: 0, msPerRow: 0, ratesVersion: -1, liveJobs: 0,
    };
    // The two queues point back at it.
    const bucket = fields;
    bucket.queue = createQueue(bucket, false);
    bucket.retries = createQueue(bucket, true);
    return bucket;
}
/** The oldest bucket without jobs; one in use is never forgotten, so that the number can pass the limit while all are. */
function forgetOne(model) {
    for (const [name, bucket] of model.buckets) {
        if (bucket.liveJobs > 0)
            continue;
        model.buckets.delete(name);
        return;
    }
}
/** The bucket's curve on the model's i-th device. */
export function curveOn(state, bucket, index) {
    const known = bucket.curves[index];
    if (known !== undefined)
        return known;
    const { model, placements } = bucket.model;
    const { device, report } = placements[index];
    const curve = createCurve(report, {
        maxBatchSize: model.policy.maxBatchSize,
        batchable: model.batching.batchable,
        pads: device.kind === 'gpu',
        scale: model.dynamicShapes && report.inputElementsPerRow > 0 ? bucket.elementsPerRow / report.inputElementsPerRow : 1,
        overheadMs: state.tuning.batchOverheadMs,
        enlargeGain: state.tuning.enlargeGain,
    });
    bucket.curves[index] = curve;
    return curve;
}
/** Most rows of one batch there now: what was measured, or less while memory is short. */
export function maxRowsOn(state, placement, curve, nowMs) {
    const cap = nowMs < placement.memoryCapUntilMs ? placement.memoryCapRows : Infinity;
    return Math.max(1, Math.min(curve.maxRows, cap, state.rowLimit));
}
