/** The cost table in words and numbers, for people. */
import type { DeviceId } from '../contracts/device.ts';
import type { ModelState } from './state.ts';

export interface SizeCost {
  readonly rows: number;
  /** Predicted milliseconds in the host. */
  readonly ms: number;
  /** That have run at this size; without any, the prediction is the load's measurement times the drift. */
  readonly batches: number;
}

export interface BucketCosts {
  readonly device: DeviceId;
  /** Row shapes of the bucket; empty for models of one shape. */
  readonly bucket: string;
  readonly bestRows: number;
  readonly maxRows: number;
  /** Observed over measured cost, smoothed: 1 when the machine is as it was at the load. */
  readonly drift: number;
  readonly sizes: readonly SizeCost[];
}

/** What the scheduler believes about a model's costs, per device and bucket that had work. */
export function describeCosts(model: ModelState): readonly BucketCosts[] {
  const described: BucketCosts[] = [];
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
