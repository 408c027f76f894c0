import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batcher } from '../../../src/batching/index.ts';
import type { JobPart } from '../../../src/contracts/batching.ts';
import type { BatchInput, BatchOrder, BatchOutput } from '../../../src/contracts/device.ts';
import type { Job, OutputTensor } from '../../../src/contracts/job.ts';
import { DATATYPES, ELEMENT_BYTES, type Datatype, type Lease } from '../../../src/contracts/tensor.ts';
import { servingModel } from '../../support/pipeline.ts';
import { TestArena } from '../../support/test-arena.ts';

/** An input and the output that echoes it, which may have its rows along another axis. */
interface TensorPlan {
  readonly datatype: Datatype;
  /** Dimensions of a row before and after the batch axis; no batch axis: one tensor that all rows share. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly shared: boolean;
  /** Rows of the output lie along its first axis, its last, or where the input has them. */
  readonly output: 'first' | 'last' | 'same';
}

interface JobPlan {
  readonly rows: number;
  /** Rows of its parts, repeated as needed. */
  readonly parts: readonly number[];
  /** Which batch each part goes to. */
  readonly batches: readonly number[];
  /** Lies in a lane beside others, or on its own; something else may lie between. */
  readonly lane: boolean;
  readonly gap: boolean;
}

const dimension = fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 3 }) }, { weight: 1, arbitrary: fc.constant(0) });
const tensor: fc.Arbitrary<TensorPlan> = fc.record({
  datatype: fc.oneof(fc.constantFrom(...DATATYPES), fc.constant<Datatype>('BYTES')),
  before: fc.oneof(fc.constant([]), fc.array(dimension, { maxLength: 2 })),
  after: fc.array(dimension, { maxLength: 2 }),
  shared: fc.constantFrom(false, false, false, true),
  output: fc.constantFrom('first', 'last', 'same'),
});
const tensors = fc.array(tensor, { minLength: 1, maxLength: 3 }).filter((plans) => plans.some(({ shared }) => !shared));
const job: fc.Arbitrary<JobPlan> = fc.record({
  rows: fc.integer({ min: 1, max: 7 }),
  parts: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 3 }),
  batches: fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 4 }),
  lane: fc.boolean(),
  gap: fc.boolean(),
});

type Element = Buffer;

const product = (numbers: readonly number[]): number => numbers.reduce((all, one) => all * one, 1);

function axisOf({ before, after, shared, output }: TensorPlan, side: 'input' | 'output'): number | null {
  if (shared) return null;
  if (side === 'input' || output === 'same') return before.length;
  return output === 'first' ? 0 : before.length + after.length;
}

function shapeOf(plan: TensorPlan, side: 'input' | 'output', rows: number): readonly number[] {
  const shape = [...plan.before, ...plan.after];
  const axis = axisOf(plan, side);
  if (axis !== null) shape.splice(axis, 0, rows);
  return shape;
}

/** Rows, each a list of its elements, into one list in the order of the tensor. */
function interleave(rows: readonly (readonly Element[])[], shape: readonly number[], axis: number): Element[] {
  const inner = product(shape.slice(axis + 1));
  return Array.from({ length: product(shape.slice(0, axis)) }, (_, run) => rows.flatMap((row) => row.slice(run * inner, (run + 1) * inner))).flat();
}

/** The other way round. */
function rowsOf(elements: readonly Element[], shape: readonly number[], axis: number): Element[][] {
  const [inner, count] = [product(shape.slice(axis + 1)), shape[axis]!];
  return Array.from({ length: count }, (_, row) => elements.filter((_element, i) => Math.floor(i / inner) % count === row));
}

function encode(elements: readonly Element[], datatype: Datatype): Buffer {
  if (datatype !== 'BYTES') return Buffer.concat(elements);
  return Buffer.concat(elements.flatMap((element) => [Buffer.from(Uint32Array.of(element.byteLength).buffer), element]));
}

function decode(bytes: Uint8Array, datatype: Datatype): Element[] {
  const elements: Element[] = [];
  const data = Buffer.from(bytes);
  for (let at = 0; at < data.byteLength;) {
    const start = datatype === 'BYTES' ? at + 4 : at;
    const end = start + (ELEMENT_BYTES[datatype] ?? data.readUInt32LE(at));
    elements.push(data.subarray(start, end));
    at = end;
  }
  return elements;
}

/** Bytes that no other element has, as far as its size allows. */
function elementOf(number: number, datatype: Datatype): Element {
  const mixed = Buffer.alloc(12);
  mixed.writeUInt32LE(Math.imul(number + 1, 0x9e37_79b1) >>> 0, 0);
  mixed.writeUInt32LE(number, 4);
  return mixed.subarray(0, ELEMENT_BYTES[datatype] ?? 4 + (number % 5)).subarray(0, ELEMENT_BYTES[datatype] ?? (number % 7 === 0 ? 0 : 12));
}

/** Jobs in an arena, with the rows that each must get back. */
class Jobs {
  readonly arena = new TestArena(1 << 22);
  readonly model;
  readonly parts: { readonly part: JobPart; readonly batch: number }[] = [];
  /** By job, tensor and row. */
  readonly rows = new Map<Job, readonly (readonly (readonly Element[])[])[]>();
  readonly plans: readonly TensorPlan[];
  #elements = 0;

  constructor(plans: readonly TensorPlan[], jobs: readonly JobPlan[]) {
    this.plans = plans;
    const spec = (side: 'input' | 'output') => plans.map((plan, i) => ({ name: `tensor${i}`, datatype: plan.datatype, shape: shapeOf(plan, side, -1) }));
    const axes = (side: 'input' | 'output') => plans.map((plan) => axisOf(plan, side));
    this.model = { ...servingModel(), inputs: spec('input'), outputs: spec('output'), batching: { batchable: true, reason: 'made by a test', inputAxes: axes('input'), outputAxes: axes('output') } };
    const shared = plans.map((plan) => this.#row(plan));
    for (const plan of jobs) this.#add(plan, shared);
  }

  #row({ before, after, datatype }: TensorPlan): Element[] {
    return Array.from({ length: product([...before, ...after]) }, () => elementOf(this.#elements++, datatype));
  }

  #add({ rows, parts, batches, lane, gap }: JobPlan, shared: readonly (readonly Element[])[]): void {
    const values = this.plans.map((plan, i) => (plan.shared ? [shared[i]!] : Array.from({ length: rows }, () => this.#row(plan))));
    const leases: Lease[] = [];
    const inputs = this.plans.map((plan, i) => {
      const shape = shapeOf(plan, 'input', rows);
      const axis = axisOf(plan, 'input');
      const bytes = encode(axis === null ? values[i]![0]! : interleave(values[i]!, shape, axis), plan.datatype);
      const lease = (lane ? this.arena.reserveInLane(String(i), bytes.byteLength) : this.arena.reserve(bytes.byteLength))!;
      if (gap) this.arena.reserveInLane(String(i), 3);
      this.arena.memory.view(lease.region).set(bytes);
      leases.push(lease);
      return { name: `tensor${i}`, datatype: plan.datatype, shape, region: lease.region };
    });
    const reply = { started: () => {}, succeeded: () => {}, failed: () => {} };
    const added: Job = { id: String(this.rows.size), model: this.model, inputs, leases, priority: 1, deadlineMs: Infinity, caller: 'test', enqueuedMs: 0, reply };
    this.rows.set(added, values);
    for (let rowStart = 0, i = 0; rowStart < rows; i++) {
      const taken = Math.min(parts[i % parts.length]!, rows - rowStart);
      this.parts.push({ part: { job: added, rowStart, rows: taken, jobRows: rows }, batch: batches[i % batches.length]! });
      rowStart += taken;
    }
  }

  /** The output tensor that rows [start, start + rows) of a job must become. */
  expected(of: Job, tensorIndex: number, start: number, rows: number): OutputTensor {
    const plan = this.plans[tensorIndex]!;
    const shape = shapeOf(plan, 'output', rows);
    const axis = axisOf(plan, 'output');
    const values = this.rows.get(of)![tensorIndex]!;
    const elements = axis === null ? values[0]! : interleave(values.slice(start, start + rows), shape, axis);
    return { name: `tensor${tensorIndex}`, datatype: plan.datatype, shape, data: new Uint8Array(encode(elements, plan.datatype)) };
  }

  /** A host of its own making: finds the rows that an order names, pads them with the last, and writes them as outputs. */
  run(order: BatchOrder): BatchOutput[] {
    let at = order.output.offset;
    return this.plans.map((plan, i) => {
      const elements = this.#gather(order.inputs[i]!, plan, order);
      const shape = shapeOf(plan, 'output', order.paddedRows);
      const axis = axisOf(plan, 'output');
      const bytes = encode(axis === null ? elements[0]! : interleave(elements, shape, axis), plan.datatype);
      const output = { offset: at, byteLength: bytes.byteLength, shape };
      this.arena.memory.view(output).set(bytes);
      at += bytes.byteLength;
      return output;
    });
  }

  #gather({ shape, segments }: BatchInput, plan: TensorPlan, { rows, paddedRows }: BatchOrder): (readonly Element[])[] {
    expect(shape).toEqual(shapeOf(plan, 'input', paddedRows));
    const axis = axisOf(plan, 'input');
    const gathered = segments.flatMap((segment) => {
      if (segment.byteLength > 0) expect(this.arena.generation(segment)).toBe(segment.generation);
      const elements = decode(this.arena.memory.view(segment), plan.datatype);
      return axis === null ? [elements] : rowsOf(elements, shapeOf(plan, 'input', segment.totalRows), axis).slice(segment.rowStart, segment.rowStart + segment.rows);
    });
    expect(gathered).toHaveLength(axis === null ? 1 : rows);
    while (axis !== null && gathered.length < paddedRows) gathered.push(gathered.at(-1)!);
    return gathered;
  }
}

const plain = (outputs: readonly OutputTensor[]): unknown[] => outputs.map(({ data, ...rest }) => ({ ...rest, data: Buffer.from(data).toString('hex') }));

describe('rows of jobs', () => {
  test('go through batches, padding, splitting and joining, and come back to their own job, in order, once', () => {
    fc.assert(fc.property(tensors, fc.array(job, { minLength: 1, maxLength: 5 }), fc.nat({ max: 3 }), fc.boolean(), (plans, jobPlans, padding, reversed) => {
      const jobs = new Jobs(plans, jobPlans);
      const back = new Map<JobPart, readonly OutputTensor[]>();
      for (const batchId of [0, 1, 2]) {
        const parts = jobs.parts.filter(({ batch }) => batch === batchId).map(({ part }) => part);
        if (parts.length === 0) continue;
        if (reversed) parts.reverse();
        const rows = parts.reduce((sum, part) => sum + part.rows, 0);
        const output = jobs.arena.reserve(100_000)!.region;
        const assembled = batcher.assemble(jobs.model, parts, { batchId, modelKey: jobs.model.key, paddedRows: rows + padding, output }, jobs.arena);
        expect(assembled.order).toMatchObject({ batchId, rows, paddedRows: rows + padding, output });
        expect([assembled.parts.length, new Set(assembled.parts)]).toEqual([parts.length, new Set(parts)]);
        const result = { batchId, ok: true as const, outputs: jobs.run(assembled.order), timings: { startedMs: 0, inputMs: 0, inferMs: 1, outputMs: 0 }, copiedBytes: 0 };
        expect(batcher.checkResult(jobs.model, assembled.order, result, jobs.arena.memory)).toBeNull();
        const scattered = batcher.scatter(jobs.model, assembled.order, assembled.parts, result, jobs.arena.memory);
        assembled.parts.forEach((part, i) => back.set(part, scattered[i]!));
      }
      for (const [part, outputs] of back) expect(plain(outputs)).toEqual(plain(plans.map((_, i) => jobs.expected(part.job, i, part.rowStart, part.rows))));
      for (const [of] of jobs.rows) {
        const own = jobs.parts.filter(({ part }) => part.job === of).map(({ part }) => back.get(part)!);
        const joined = batcher.join(jobs.model, own);
        expect(joined === null ? null : plain(joined)).toEqual(plain(plans.map((_, i) => jobs.expected(of, i, 0, of.inputs[0] === undefined ? 0 : jobs.parts.find(({ part }) => part.job === of)!.part.jobRows))));
      }
    }), { numRuns: 500 });
  });
});
