/**
 * What a batch of so many rows costs, per model, device and bucket: measured at load, corrected by every batch that runs.
 * A size with three fresh samples of its own costs their median, which one outlier does not move and a lasting change moves
 * within five batches. Any other size costs what the load measured times the drift that the bucket shows at its other sizes,
 * so that a size which was not tried lately never looks cheap only because the machine was idle when it was measured.
 */
import type { LoadReport } from '../contracts/model.ts';
import type { LearnedCurve, SampleRing } from './state.ts';

/** Samples kept per size; odd, so that the median is one of them. */
const RING = 9;
const OWN_SAMPLES = 3;
/** Samples older than this no longer speak for the present load. */
const FRESH_MS = 30_000;
const DRIFT_WEIGHT = 0.2;
/** One sample moves the drift by no more than if it were this far off. */
const MAX_RATIO = 8;
/** Nothing is free: rates are divided by costs. */
const MIN_COST_MS = 0.001;
/** Estimates are computed again at each observation, and when they are older than this. */
const REFRESH_MS = 5_000;

export interface CurveOptions {
  /** From model.json; null for none. */
  readonly maxBatchSize: number | null;
  readonly batchable: boolean;
  /** GPU: batches run at the next measured size. CPU: at their own. */
  readonly pads: boolean;
  /** Row elements over those of the warm-up. */
  readonly scale: number;
  readonly overheadMs: number;
  readonly enlargeGain: number;
}

/** The curve as the load measured it. Sizes beyond what was measured, or beyond maxBatchSize, are not in it. */
export function createCurve(report: LoadReport, options: CurveOptions, nowMs: number): LearnedCurve {
  const limit = options.batchable ? (options.maxBatchSize ?? Infinity) : 1;
  const measured = report.costs.filter(({ rows }) => rows <= limit);
  const sizes = measured.map(({ rows }) => rows);
  const largest = sizes.at(-1) ?? 1;
  // Between measured sizes a CPU's cost is a line; past the largest one nothing is known.
  const maxRows = options.pads ? largest : Math.min(limit, report.costs.at(-1)?.rows ?? 1);
  const padded = new Int32Array(maxRows + 1);
  const seedMs = new Float64Array(maxRows + 1);
  for (let rows = 1; rows <= maxRows; rows++) {
    padded[rows] = options.pads ? sizes.find((size) => size >= rows)! : rows;
    seedMs[rows] = interpolate(report, padded[rows]!) * options.scale;
  }
  const curve: LearnedCurve = {
    sizes: maxRows > largest ? [...sizes, maxRows] : sizes,
    maxRows, padded, costMs: new Float64Array(maxRows + 1), bestRows: 1, refreshedMs: -Infinity,
    learned: { seedMs, samples: [], drift: 1, overheadMs: options.overheadMs, enlargeGain: options.enlargeGain },
  };
  refresh(curve, nowMs);
  return curve;
}

/** Tells the curve how long a batch took in the host: gathering, running and storing. */
export function observe(curve: LearnedCurve, paddedRows: number, tookMs: number, nowMs: number): void {
  const { learned } = curve;
  const seed = learned.seedMs[paddedRows];
  if (seed === undefined) return;
  const ring = (learned.samples[paddedRows] ??= { values: new Float64Array(RING), count: 0, medianMs: tookMs, lastMs: nowMs });
  // Samples from another time say nothing about now: start over.
  if (nowMs - ring.lastMs > FRESH_MS) ring.count = 0;
  ring.values[ring.count % RING] = tookMs;
  ring.count++;
  ring.lastMs = nowMs;
  ring.medianMs = median(ring);
  if (seed > 0 && tookMs > 0) {
    const ratio = Math.min(Math.max(tookMs / seed / learned.drift, 1 / MAX_RATIO), MAX_RATIO);
    learned.drift *= ratio ** DRIFT_WEIGHT;
  }
  refresh(curve, nowMs);
}

/** Brings estimates up to date where samples have aged since. */
export function freshen(curve: LearnedCurve, nowMs: number): LearnedCurve {
  if (nowMs - curve.refreshedMs > REFRESH_MS) refresh(curve, nowMs);
  return curve;
}

/** Milliseconds that a batch of `rows` takes in the host, without the overhead. */
export function hostMs(curve: LearnedCurve, rows: number): number {
  return Math.max(0, curve.costMs[rows]! - curve.learned.overheadMs);
}

/** True where the size's cost comes from its own fresh samples. */
export function isObserved(curve: LearnedCurve, rows: number, nowMs: number): boolean {
  const ring = curve.learned.samples[curve.padded[rows]!];
  return ring !== undefined && ring.count >= OWN_SAMPLES && nowMs - ring.lastMs <= FRESH_MS;
}

function refresh(curve: LearnedCurve, nowMs: number): void {
  const { costMs, padded, sizes, maxRows, learned } = curve;
  for (let rows = 1; rows <= maxRows; rows++) {
    const size = padded[rows]!;
    const host = isObserved(curve, rows, nowMs) ? learned.samples[size]!.medianMs : learned.seedMs[size]! * learned.drift;
    costMs[rows] = Math.max(host + learned.overheadMs, MIN_COST_MS);
  }
  curve.bestRows = 1;
  for (const size of sizes) {
    if (costMs[size]! / size <= (costMs[curve.bestRows]! / curve.bestRows) * (1 - learned.enlargeGain)) curve.bestRows = size;
  }
  curve.refreshedMs = nowMs;
}

function interpolate(report: LoadReport, rows: number): number {
  const { costs } = report;
  const above = costs.findIndex((sample) => sample.rows >= rows);
  const high = costs[above];
  if (high === undefined) return costs.at(-1)?.medianMs ?? 0;
  const low = costs[above - 1];
  if (high.rows === rows || low === undefined) return high.medianMs;
  return low.medianMs + ((high.medianMs - low.medianMs) * (rows - low.rows)) / (high.rows - low.rows);
}

const sorted = new Float64Array(RING);

function median(ring: SampleRing): number {
  const count = Math.min(ring.count, RING);
  // Insertion sort: nine numbers at most, no allocation.
  for (let i = 0; i < count; i++) {
    const value = ring.values[i]!;
    let at = i;
    while (at > 0 && sorted[at - 1]! > value) {
      sorted[at] = sorted[at - 1]!;
      at--;
    }
    sorted[at] = value;
  }
  return sorted[count >> 1]!;
}
