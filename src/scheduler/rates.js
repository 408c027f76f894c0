/** How fast a model's devices work together: what turns waiting rows into waiting milliseconds. */
import { curveOn } from "./buckets.js";
/**
 * Milliseconds that a row of the bucket occupies all ready devices of its model, each at its best size: 1 / Σ slots × rows per
 * millisecond, where a permit bounds the slots to the fastest ones it allows. Zero while no device is ready. Kept until a
 * batch of the bucket ends or a device comes or goes.
 */
export function rateOf(state, bucket) {
    if (bucket.ratesVersion === state.ratesVersion)
        return bucket.msPerRow;
    const { placements, group } = bucket.model;
    const rates = [];
    for (let i = 0; i < placements.length; i++) {
        // Every curve is made here, so that the queue's largest size is known before anything runs.
        const curve = curveOn(state, bucket, i);
        const { device } = placements[i];
        if (device.ready)
            rates.push({ perSlot: curve.bestRows / curve.costMs[curve.bestRows], slots: device.running.length });
    }
    rates.sort((a, b) => b.perSlot - a.perSlot);
    let slotsLeft = group.permit?.limit ?? Infinity;
    let rowsPerMs = 0;
    for (const { perSlot, slots } of rates) {
        const used = Math.min(slots, slotsLeft);
        rowsPerMs += used * perSlot;
        slotsLeft -= used;
    }
    bucket.msPerRow = rowsPerMs > 0 ? 1 / rowsPerMs : 0;
    bucket.ratesVersion = state.ratesVersion;
    return bucket.msPerRow;
}
