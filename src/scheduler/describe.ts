/** The cost table in words and numbers, for people. */
import type { BatchCosts } from '../contracts/stages.ts';
import type { ModelState } from './state.ts';

/** What the scheduler believes about a model's costs, per device and bucket that had work. */
export function describeCosts(model: ModelState): readonly BatchCosts[] {
  const described: BatchCosts[] = [];
  for (const bucket of model.buckets.values()) {
    model.placements.forEach(({ device }, i) => {
      const curve = bucket.curves[i];
      if (curve === undefined) return;
      const sizes = curve.sizes.map((rows) => ({ rows, ms: curve.costMs[rows]! - curve.learned.overheadMs, batches: curve.learned.observed[curve.padded[rows]!]! }));
      described.push({ device: device.id, bucket: bucket.name, bestRows: curve.bestRows, maxRows: curve.maxRows, drift: curve.learned.drift, sizes });
    });
  }
  return described;
}
