/** Loading a model into every worker of a host: open, probe once, measure on all at once, merge. */
import type { CostSample, LoadReport, ModelSource } from '../../contracts/model.ts';
import { systemClock } from '../../contracts/clock.ts';
import type { Loaded } from '../protocol.ts';
import { median, mergeCosts } from './measure.ts';
import type { WorkerPool } from './pool.ts';
import type { ProbeOutcome } from './probe.ts';
import type { Opened } from './worker-protocol.ts';

/** Largest batch that is measured where model.json names none. */
const DEFAULT_MAX_ROWS = 64;

/**
 * Resolves with what was found out, or rejects with why not; then no worker keeps the model. `known`: after a restart, what
 * the first load found. Sessions on a GPU are created one after another: memory peaks while one is created.
 */
export async function loadModel(pool: WorkerPool, source: ModelSource, known: Loaded | null, serial: boolean): Promise<Loaded> {
  const startMs = systemClock.nowMs();
  try {
    const opened = await open(pool, source, serial);
    const loaded = known ?? (await findOut(pool, source, opened, startMs));
    const { batching, costs } = loaded.report;
    if (known?.warmup != null) await pool.askAll('warm', { key: source.key, inputAxes: batching.inputAxes, warmup: known.warmup, sizes: serial ? costs.map(({ rows }) => rows) : [1] });
    await pool.askAll('serve', { key: source.key, inputAxes: batching.inputAxes });
    return loaded;
  } catch (error) {
    await pool.askAll('close', { key: source.key });
    throw error;
  }
}

async function open(pool: WorkerPool, source: ModelSource, serial: boolean): Promise<Opened> {
  if (!serial) return (await pool.askAll('open', { source }))[0]!;
  let opened: Opened | null = null;
  for (let worker = 0; worker < pool.size; worker += 1) opened = await pool.ask(worker, 'open', { source });
  return opened!;
}

async function findOut(pool: WorkerPool, source: ModelSource, { inputs, outputs }: Opened, startMs: number): Promise<Loaded> {
  const { key } = source;
  const { batching, warmup, outputBytesPerRow, inputElementsPerRow, rejectedMs } = await pool.ask(0, 'probe', { source });
  let costs: CostSample[] = [];
  if (warmup !== null) {
    const maxRows = batching.batchable ? (source.maxBatchSize ?? DEFAULT_MAX_ROWS) : 1;
    const measured = await pool.askAll('measure', { key, inputAxes: batching.inputAxes, warmup, maxRows, budgetMs: source.warmupBudgetMs });
    costs = mergeCosts(measured.map(({ sizes }) => sizes));
  }
  // At least one row has a cost. A model that rejects every random input took as long as rejecting took.
  const report: LoadReport = { inputs, outputs, batching, costs: costs.length > 0 ? costs : [rejectedCost(rejectedMs)], outputBytesPerRow, inputElementsPerRow, loadMs: systemClock.nowMs() - startMs };
  return { report, warmup };
}

function rejectedCost(rejectedMs: ProbeOutcome['rejectedMs']): CostSample {
  return rejectedMs.length === 0 ? { rows: 1, medianMs: 0, p95Ms: 0 } : { rows: 1, medianMs: median(rejectedMs), p95Ms: Math.max(...rejectedMs) };
}
