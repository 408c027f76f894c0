/**
 * Whether a model batches, and along which axes: found out by running random rows together and alone, because names of
 * axes prove nothing. Pure over `run`.
 */
import type { BatchAxis, Batching } from '../../contracts/model.ts';
import type { TensorSpec } from '../../contracts/tensor.ts';
import { plainMessage } from '../cuda-errors.ts';
import type { WarmupPlan } from '../protocol.ts';
import { axisCandidates, rowShapes } from './candidates.ts';
import { encodedBytes } from './elements.ts';
import type { EngineTensor } from './engine.ts';
import { judge, type Answers } from './judge.ts';
import { VALUE_KINDS, createRandom, joinRows, randomRows, type Row } from './values.ts';

export type Run = (inputs: readonly EngineTensor[]) => Promise<readonly EngineTensor[]>;

export interface ProbeSubject {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly dimensionNames: readonly (readonly string[])[];
  readonly warmupShapes: Readonly<Record<string, readonly number[]>>;
  /** 1 forbids batching: nothing is tried. */
  readonly maxBatchSize: number | undefined;
  /** Largest difference allowed, relative to an output's magnitude. */
  readonly tolerance: number;
}

export interface ProbeOutcome {
  readonly batching: Batching;
  /** Null when the model rejected every random input. */
  readonly warmup: WarmupPlan | null;
  readonly outputBytesPerRow: number;
  readonly inputElementsPerRow: number;
  /** How long rejected runs took: all that is known of the cost where `warmup` is null. */
  readonly rejectedMs: readonly number[];
}

/** Models that reject what they are given do so fast; these bound the others. */
const MAX_ATTEMPTS = 300;
const MAX_PROBE_MS = 20_000;

/** Seeds: the experiment's rows are also what warms up. */
export const WARMUP_SEED = 1;
const SECOND_SEED = 2;

/** A row that the model takes. */
interface Working {
  readonly plan: WarmupPlan;
  readonly row: Row;
  readonly outputs: readonly EngineTensor[];
}

export async function probe(subject: ProbeSubject, run: Run, nowMs: () => number): Promise<ProbeOutcome> {
  const search = new Search(subject, run, nowMs);
  const none = subject.inputs.map((): BatchAxis => null);
  const candidates = axisCandidates(subject.inputs, subject.dimensionNames);
  const forbidden = subject.maxBatchSize === 1 ? 'model.json forbids batching (max_batch_size is 1)' : null;
  let first: Working | null = null;
  let reason = forbidden ?? (candidates.length === 0 ? 'no input has a dynamic dimension: rows cannot be put together' : null);
  for (const axes of candidates.length === 0 ? [none] : forbidden === null ? candidates : candidates.slice(0, 1)) {
    const working = await search.findWorking(axes);
    if (working === null) continue;
    first ??= working;
    if (forbidden !== null || candidates.length === 0) break;
    const verdict = await search.experiment(axes, working);
    if (typeof verdict !== 'string') {
      return outcome(subject, working, search, { batchable: true, reason: 'rows together answered as rows alone, on random inputs', inputAxes: axes, outputAxes: verdict });
    }
    reason ??= verdict;
  }
  const rejected = `every random input was rejected: ${search.lastRejection}`;
  reason = first === null && forbidden === null ? rejected : (reason ?? rejected);
  return outcome(subject, first, search, { batchable: false, reason, inputAxes: none, outputAxes: subject.outputs.map(() => null) });
}

function outcome(subject: ProbeSubject, working: Working | null, search: Search, batching: Batching): ProbeOutcome {
  const shapes = working?.plan.shapes ?? rowShapes(subject.inputs, batching.inputAxes, subject.warmupShapes)[0] ?? [];
  return {
    batching,
    warmup: working?.plan ?? null,
    outputBytesPerRow: working?.outputs.reduce((sum, { data }) => sum + encodedBytes(data), 0) ?? 0,
    inputElementsPerRow: shapes.reduce((sum, shape) => sum + shape.reduce((product, size) => product * size, 1), 0),
    rejectedMs: search.rejectedMs,
  };
}

class Search {
  readonly rejectedMs: number[] = [];
  lastRejection = 'nothing could be tried';
  private readonly subject: ProbeSubject;
  private readonly run: Run;
  private readonly nowMs: () => number;
  private readonly giveUpMs: number;

  constructor(subject: ProbeSubject, run: Run, nowMs: () => number) {
    this.subject = subject;
    this.run = run;
    this.nowMs = nowMs;
    this.giveUpMs = nowMs() + MAX_PROBE_MS;
  }

  /** One row that the model takes, with the batch along `axes`; null when it rejects all that is tried. */
  async findWorking(axes: readonly BatchAxis[]): Promise<Working | null> {
    for (const shapes of rowShapes(this.subject.inputs, axes, this.subject.warmupShapes)) {
      for (const values of VALUE_KINDS.keys()) {
        if (this.rejectedMs.length >= MAX_ATTEMPTS || this.nowMs() > this.giveUpMs) return null;
        const plan = { shapes, values };
        const [row = []] = this.rows(plan, axes, 1, WARMUP_SEED);
        const outputs = await this.attempt(row);
        if (outputs !== null) return { plan, row, outputs };
      }
    }
    return null;
  }

  /** The outputs' axes when rows along `axes` stand alone, else why they don't. */
  async experiment(axes: readonly BatchAxis[], working: Working): Promise<readonly BatchAxis[] | string> {
    const { shapes, values } = working.plan;
    if (VALUE_KINDS[values]?.varies !== true) return 'the model takes only one value for its integers, so rows could not be told apart';
    // A second kind of values, where the model takes them: lengths and masks of 0 and 1 show what 1 to 3 may hide.
    const plans = [working.plan, ...[...VALUE_KINDS.keys()].filter((kind) => kind !== values && VALUE_KINDS[kind]?.varies === true).map((kind) => ({ shapes, values: kind }))];
    let outputAxes: readonly BatchAxis[] | null = null;
    let toldApart = false;
    for (const [index, plan] of plans.entries()) {
      const answers = await this.answers(plan, axes, index === 0 ? WARMUP_SEED : SECOND_SEED);
      if (answers === null && index > 0) continue;
      if (answers === null) return `a row was rejected: ${this.lastRejection}`;
      if (typeof answers === 'string') return answers;
      const verdict = judge(this.subject.outputs, answers, this.subject.tolerance);
      if (typeof verdict === 'string') return await this.isRandom(working) ? 'the same input gives another answer each time' : verdict;
      if (outputAxes !== null && outputAxes.join() !== verdict.axes.join()) return 'the axis of an output depends on the values';
      outputAxes = verdict.axes;
      toldApart ||= verdict.toldApart;
    }
    if (outputAxes === null || !toldApart) return 'the answers did not depend on the random inputs, so nothing was learned about rows';
    return outputAxes;
  }

  /** Null: a single row was rejected. Text: rows together were rejected. */
  private async answers(plan: WarmupPlan, axes: readonly BatchAxis[], seed: number): Promise<Answers | string | null> {
    const [a = [], b = [], c = []] = this.rows(plan, axes, 3, seed);
    const alone: (readonly EngineTensor[])[] = [];
    for (const row of [a, b, c]) {
      const outputs = await this.attempt(row);
      if (outputs === null) return null;
      alone.push(outputs);
    }
    const [answerA = [], answerB = [], answerC = []] = alone;
    const two = await this.attempt(joinRows([a, b], axes));
    const three = two === null ? null : await this.attempt(joinRows([c, a, b], axes));
    if (two === null || three === null) return `rows together were rejected: ${this.lastRejection}`;
    return { alone: [answerA, answerB, answerC], together: [{ outputs: two, rows: [0, 1] }, { outputs: three, rows: [2, 0, 1] }] };
  }

  private async isRandom(working: Working): Promise<boolean> {
    const again = await this.attempt(working.row);
    return again !== null && typeof judge(this.subject.outputs, { alone: [working.outputs], together: [{ outputs: again, rows: [0] }] }, this.subject.tolerance) === 'string';
  }

  private rows({ shapes, values }: WarmupPlan, axes: readonly BatchAxis[], count: number, seed: number): Row[] {
    return randomRows(this.subject.inputs, shapes, axes, VALUE_KINDS[values]!, count, createRandom(seed));
  }

  private async attempt(inputs: readonly EngineTensor[]): Promise<readonly EngineTensor[] | null> {
    const startMs = this.nowMs();
    try {
      return await this.run(inputs);
    } catch (thrown) {
      this.rejectedMs.push(this.nowMs() - startMs);
      this.lastRejection = plainMessage(thrown);
      return null;
    }
  }
}
