/** Share of a surprise (the logarithm of observed over predicted) that the drift takes, and that the bias takes. */
const DRIFT_WEIGHT = 0.2;
const BIAS_WEIGHT = 0.04;
/** A batch that took e^0.5 = 1.65 times as long as predicted surprises no less than a slower one. */
const MAX_SURPRISE = 0.5;
/** Nothing is free: rates are divided by costs. */
const MIN_COST_MS = 0.001;
/** The curve as the load measured it. Sizes beyond what was measured, or beyond maxBatchSize, are not in it. */
export function createCurve(report, options) {
    const limit = options.batchable ? (options.maxBatchSize ?? Infinity) : 1;
    const measured = report.costs.filter(({ rows }) => rows <= limit);
    const sizes = measured.map(({ rows }) => rows);
    const largest = sizes.at(-1) ?? 1;
    // Between measured sizes a CPU's cost is a line; past the largest one nothing is known.
    const maxRows = options.pads ? largest : Math.min(limit, report.costs.at(-1)?.rows ?? 1);
    const padded = new Int32Array(maxRows + 1);
    const seedMs = new Float64Array(maxRows + 1);
    for (let rows = 1; rows <= maxRows; rows++) {
        padded[rows] = options.pads ? sizes.find((size) => size >= rows) : rows;
        seedMs[rows] = interpolate(report, padded[rows]) * options.scale;
    }
    const curve = {
        sizes: maxRows > largest ? [...sizes, maxRows] : sizes,
        maxRows, padded, costMs: new Float64Array(maxRows + 1), bestRows: 1,
        learned: { seedMs, bias: new Float64Array(maxRows + 1).fill(1), observed: new Int32Array(maxRows + 1), drift: 1, overheadMs: options.overheadMs, enlargeGain: options.enlargeGain },
    };
    refresh(curve);
    return curve;
}
/** Tells the curve how long a batch took in the host: gathering, running and storing. */
export function observe(curve, paddedRows, tookMs) {
    const { learned } = curve;
    const predictedMs = baseMs(curve, paddedRows) * learned.drift;
    if (!(predictedMs > 0) || !(tookMs > 0))
        return;
    const surprise = Math.min(Math.max(Math.log(tookMs / predictedMs), -MAX_SURPRISE), MAX_SURPRISE);
    learned.drift *= Math.exp(surprise * DRIFT_WEIGHT);
    learned.bias[paddedRows] *= Math.exp(surprise * BIAS_WEIGHT);
    learned.observed[paddedRows]++;
    refresh(curve);
}
/** Milliseconds that a batch of `rows` takes in the host, without the overhead. */
export function hostMs(curve, rows) {
    return Math.max(0, curve.costMs[rows] - curve.learned.overheadMs);
}
function baseMs({ learned }, paddedRows) {
    return learned.seedMs[paddedRows] * learned.bias[paddedRows];
}
function refresh(curve) {
    const { costMs, padded, sizes, maxRows, learned } = curve;
    for (let rows = 1; rows <= maxRows; rows++)
        costMs[rows] = Math.max(baseMs(curve, padded[rows]) * learned.drift + learned.overheadMs, MIN_COST_MS);
    curve.bestRows = 1;
    for (const size of sizes) {
        if (costMs[size] / size <= (costMs[curve.bestRows] / curve.bestRows) * (1 - learned.enlargeGain))
            curve.bestRows = size;
    }
}
function interpolate(report, rows) {
    const { costs } = report;
    const above = costs.findIndex((sample) => sample.rows >= rows);
    const high = costs[above];
    if (high === undefined)
        return costs.at(-1)?.medianMs ?? 0;
    const low = costs[above - 1];
    if (high.rows === rows || low === undefined)
        return high.medianMs;
    return low.medianMs + ((high.medianMs - low.medianMs) * (rows - low.rows)) / (high.rows - low.rows);
}
