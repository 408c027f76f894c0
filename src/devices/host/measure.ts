/** What a batch of each size costs on this device, measured while it warms up. Pure over `run` and the clock. */
import type { BatchAxis, CostSample } from '../../contracts/model.ts';
import type { TensorSpec } from '../../contracts/tensor.ts';
import { isOutOfMemory, plainMessage } from '../cuda-errors.ts';
import type { WarmupPlan } from '../protocol.ts';
import { encodedBytes } from './elements.ts';
import type { EngineTensor } from './engine.ts';
import type { Run } from './probe.ts';
import { WARMUP_SEED } from './probe.ts';
import { VALUE_KINDS, createRandom, joinRows, randomRows, type Row } from './values.ts';

const SIZES = [1, 2, 4, 8, 16, 32, 64];
/** The first run of a size allocates, tunes or compiles: it says nothing about the next. */
const DISCARDED = 1;
const MIN_SAMPLES = 3;
const MAX_SAMPLES = 24;
const MAX_INPUT_BYTES = 64 * 1024 * 1024;
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;
/** Rows of different content; larger batches repeat them. */
const DISTINCT_ROWS = 4;

export interface MeasureSubject {
  readonly inputs: readonly TensorSpec[];
  readonly inputAxes: readonly BatchAxis[];
  readonly warmup: WarmupPlan;
  /** 1 where the model does not batch. */
  readonly maxRows: number;
  readonly budgetMs: number;
}

/** Times of one size, in the order measured. */
export interface Timed {
  readonly rows: number;
  readonly samplesMs: readonly number[];
}

export interface Measured {
  readonly sizes: readonly Timed[];
  /** Why larger batches were not measured, in words. */
  readonly stoppedBy: string;
}

/** Sizes to measure for a model that takes up to `maxRows`: powers of two up to 64, and the maximum itself. */
function sizesUpTo(maxRows: number): readonly number[] {
  const sizes = SIZES.filter((size) => size <= maxRows);
  return maxRows < SIZES.at(-1)! && !sizes.includes(maxRows) ? [...sizes, maxRows] : sizes;
}

/** The inputs of a batch, made of the rows that probing used. */
class Batches {
  private readonly rows: readonly Row[];
  private readonly axes: readonly BatchAxis[];

  constructor({ inputs, inputAxes, warmup }: Pick<MeasureSubject, 'inputs' | 'inputAxes' | 'warmup'>) {
    this.axes = inputAxes;
    this.rows = randomRows(inputs, warmup.shapes, inputAxes, VALUE_KINDS[warmup.values] ?? VALUE_KINDS[0]!, DISTINCT_ROWS, createRandom(WARMUP_SEED));
  }

  of(rows: number): EngineTensor[] {
    return joinRows(Array.from({ length: rows }, (_, row) => this.rows[row % DISTINCT_ROWS]!), this.axes);
  }

  bytesPerRow(): number {
    return this.rows[0]?.reduce((sum, { data }) => sum + encodedBytes(data), 0) ?? 0;
  }
}

/**
 * Grows from one row while the budget lasts: each size runs once for nothing and three times for the record. What is left of
 * the budget goes to more rounds over all sizes, so that a slow moment of the machine falls on all of them alike.
 * Throws what one row throws; a larger size that fails ends the growth.
 */
export async function measure(subject: MeasureSubject, run: Run, nowMs: () => number): Promise<Measured> {
  const endMs = nowMs() + subject.budgetMs;
  const batches = new Batches(subject);
  const sizes: { readonly rows: number; readonly inputs: EngineTensor[]; readonly samplesMs: number[] }[] = [];
  const timed = async (inputs: EngineTensor[]): Promise<{ ms: number; outputBytes: number }> => {
    const startMs = nowMs();
    const outputs = await run(inputs);
    return { ms: nowMs() - startMs, outputBytes: outputs.reduce((sum, { data }) => sum + encodedBytes(data), 0) };
  };
  let stoppedBy = subject.maxRows === 1 ? 'it runs one request at a time' : 'the largest size was reached';
  let expectedMs = 0;
  let outputBytesPerRow = 0;
  for (const rows of sizesUpTo(subject.maxRows)) {
    if (rows > 1) {
      const reason = tooMuch(rows, batches.bytesPerRow(), outputBytesPerRow) ?? (nowMs() + expectedMs * (DISCARDED + MIN_SAMPLES) > endMs ? 'the warm-up budget was spent' : null);
      if (reason !== null) {
        stoppedBy = reason;
        break;
      }
    }
    const size = { rows, inputs: batches.of(rows), samplesMs: [] as number[] };
    try {
      const first = await timed(size.inputs);
      outputBytesPerRow = first.outputBytes / rows;
      while (size.samplesMs.length < MIN_SAMPLES && (size.samplesMs.length === 0 || nowMs() < endMs)) size.samplesMs.push((await timed(size.inputs)).ms);
    } catch (thrown) {
      if (rows === 1) throw thrown;
      const message = plainMessage(thrown);
      stoppedBy = isOutOfMemory(message) ? `${rows} rows ran out of memory` : `${rows} rows were rejected: ${message}`;
      break;
    }
    sizes.push(size);
    // A batch of twice the rows takes twice as long, at worst.
    expectedMs = 2 * median(size.samplesMs);
  }
  for (let round = MIN_SAMPLES; round < MAX_SAMPLES; round += 1) {
    for (const { inputs, samplesMs } of sizes) {
      const expectedRunMs = median(samplesMs);
      if (nowMs() + expectedRunMs * (DISCARDED + 1) > endMs) return { sizes: sizes.map(({ rows, samplesMs: samples }) => ({ rows, samplesMs: samples })), stoppedBy };
      // A batch of another size leaves cold caches behind, and one row would look dearer than it is.
      await timed(inputs);
      samplesMs.push((await timed(inputs)).ms);
    }
  }
  return { sizes: sizes.map(({ rows, samplesMs }) => ({ rows, samplesMs })), stoppedBy };
}

function tooMuch(rows: number, inputBytesPerRow: number, outputBytesPerRow: number): string | null {
  if (rows * inputBytesPerRow > MAX_INPUT_BYTES) return `${rows} rows would take more than 64 MiB of input`;
  return rows * outputBytesPerRow > MAX_OUTPUT_BYTES ? `${rows} rows would take more than 256 MiB of output` : null;
}

/** Runs sizes that were measured before a restart once each, so that a GPU has them tuned and compiled again. */
export async function warmUp(subject: Pick<MeasureSubject, 'inputs' | 'inputAxes' | 'warmup'>, sizes: readonly number[], run: Run): Promise<void> {
  const batches = new Batches(subject);
  for (const rows of sizes) await run(batches.of(rows));
}

/** One cost table from what every worker measured at the same time: the middle of their medians, the worst of their tails. */
export function mergeCosts(workers: readonly (readonly Timed[])[]): CostSample[] {
  const [first = [], ...others] = workers;
  return first.flatMap(({ rows, samplesMs }) => {
    const all = [samplesMs, ...others.map((sizes) => sizes.find((size) => size.rows === rows)?.samplesMs)];
    if (!all.every((samples) => samples !== undefined)) return [];
    return [{ rows, medianMs: median(all.map(median)), p95Ms: Math.max(...all.map((samples) => quantile(samples, 0.95))) }];
  });
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value at the given fraction of the sorted values, between neighbours by proportion. NaN for none. */
function quantile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * fraction;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? below;
  return below + (above - below) * (place - Math.floor(place));
}
