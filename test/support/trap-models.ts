/**
 * One small model for each way in which real models surprise a server that batches. `batches` is what measurement must
 * find out; names of axes are no help, and some of these lie on purpose.
 */
import type { Datatype } from '../../src/contracts/tensor.ts';
import { int64s, model, node, scalar, type Constant, type Node, type Value } from './onnx.ts';

export interface TrapModel {
  /** What is surprising about it. */
  readonly trap: string;
  /** Whether rows can be put together without changing any answer. */
  readonly batches: boolean;
  /** Where rows lie, by position, when it batches; null: shared by all rows. */
  readonly inputAxes?: readonly (number | null)[];
  readonly outputAxes?: readonly (number | null)[];
  readonly bytes: Uint8Array;
}

const fp32 = (name: string, ...shape: (number | string)[]): Value => ({ name, datatype: 'FP32', shape });
const int64 = (name: string, ...shape: (number | string)[]): Value => ({ name, datatype: 'INT64', shape });

/** A scalar INT64 constant. */
const index = (name: string, value: number): Constant => ({ name, datatype: 'INT64', shape: [], data: BigInt64Array.of(BigInt(value)) });

/** y = x, in any datatype, with rows of any length: [batch, n] → [batch, n]. */
export function identityModel(datatype: Datatype = 'FP32', names: { readonly input: string; readonly output: string } = { input: 'x', output: 'y' }): Uint8Array {
  return model({
    inputs: [{ name: names.input, datatype, shape: ['batch', 'n'] }],
    outputs: [{ name: names.output, datatype, shape: ['batch', 'n'] }],
    nodes: [node('Identity', [names.input], [names.output])],
  });
}

/** Rows along axis 1 of one output, along axis 0 of the other. */
function outputAxisOne(): TrapModel {
  return {
    trap: 'the batch is axis 1 of an output', batches: true, inputAxes: [0], outputAxes: [0, 1],
    bytes: model({
      inputs: [fp32('x', 'batch', 4)],
      outputs: [fp32('y', 'batch', 4), fp32('hidden', 3, 'batch', 4)],
      initializers: [scalar('two', 2), int64s('front', [0])],
      nodes: [node('Mul', ['x', 'two'], ['y']), node('Unsqueeze', ['x', 'front'], ['x3']), node('Concat', ['x3', 'x3', 'x3'], ['hidden'], { axis: { int: 0 } })],
    }),
  };
}

/** As in Silero's voice activity models: a recurrent state [2, batch, n] goes in and comes out, and a scalar is shared. */
function stateAxisOne(): TrapModel {
  return {
    trap: 'the batch is axis 1 of a state', batches: true, inputAxes: [0, 1, null], outputAxes: [0, 1],
    bytes: model({
      inputs: [fp32('input', 'batch', 4), fp32('state', 2, 'batch', 4), int64('sr')],
      outputs: [fp32('output', 'batch', 4), fp32('stateN', 2, 'batch', 4)],
      initializers: [int64s('front', [0]), scalar('half', 0.5)],
      nodes: [
        node('Cast', ['sr'], ['rate'], { to: { int: 1 } }),
        node('Mul', ['input', 'rate'], ['scaled']),
        node('ReduceSum', ['state', 'front'], ['memory'], { keepdims: { int: 0 } }),
        node('Add', ['scaled', 'memory'], ['output']),
        node('Unsqueeze', ['input', 'front'], ['fresh']),
        node('Mul', ['state', 'half'], ['faded']),
        node('Add', ['faded', 'fresh'], ['stateN']),
      ],
    }),
  };
}

/** An accumulation along axis 0, under names that promise a batch. */
function timeFirst(nodes: readonly Node[], trap: string, output: Value, initializers: readonly Constant[] = []): TrapModel {
  return {
    trap, batches: false,
    bytes: model({
      inputs: [fp32('x', 'batch', 4)],
      outputs: [output],
      initializers,
      nodes,
    }),
  };
}

/** Padded rows with their lengths: a masked sum (rows stand alone), or one that trims to the longest (they don't). */
function lengths(trims: boolean): TrapModel {
  const shared = [node('Unsqueeze', ['lengths', 'back'], ['column']), node('Shape', ['x'], ['shape']), node('Gather', ['shape', 'one'], ['steps'])];
  const masked = [
    node('Range', ['zero', 'steps', 'one'], ['positions']), node('Less', ['positions', 'column'], ['inside']),
    node('Cast', ['inside'], ['mask'], { to: { int: 1 } }), node('Mul', ['x', 'mask'], ['y']),
  ];
  const trimmed = [node('ReduceMax', ['lengths'], ['longest'], { keepdims: { int: 1 } }), node('Slice', ['x', 'start', 'longest', 'back'], ['y'])];
  return {
    trap: trims ? 'a `lengths` input that trims every row to the longest one' : 'a `lengths` input beside padded rows',
    batches: !trims,
    ...(trims ? {} : { inputAxes: [0, 0], outputAxes: [0] }),
    bytes: model({
      inputs: [fp32('x', 'batch', 'time'), int64('lengths', 'batch')],
      outputs: [fp32('y', 'batch', trims ? 'trimmed' : 'time')],
      initializers: [int64s('back', [1]), ...(trims ? [int64s('start', [0])] : [index('zero', 0), index('one', 1)])],
      nodes: trims ? trimmed : [...shared, ...masked],
    }),
  };
}

/** Scales by the largest magnitude of the whole input, as dynamically quantised models do for each activation. */
function dynamicQuantisation(): TrapModel {
  return {
    trap: 'activations scaled per tensor, so that a row moves with its neighbours', batches: false,
    bytes: model({
      inputs: [fp32('x', 'batch', 4)],
      outputs: [fp32('y', 'batch', 4)],
      initializers: [scalar('levels', 7), scalar('tiny', 1e-6)],
      nodes: [
        node('Abs', ['x'], ['magnitude']), node('ReduceMax', ['magnitude'], ['largest'], { keepdims: { int: 0 } }), node('Max', ['largest', 'tiny'], ['safe']),
        node('Div', ['safe', 'levels'], ['step']), node('Div', ['x', 'step'], ['q']), node('Round', ['q'], ['r']), node('Mul', ['r', 'step'], ['y']),
      ],
    }),
  };
}

/** Runs max(x) times round a loop that does nothing: a test chooses how long it takes, 1e18 being for ever. y = x. */
function loop(): TrapModel {
  return {
    trap: 'a loop whose length the client chooses: it can hang its host', batches: true, inputAxes: [0], outputAxes: [0],
    bytes: model({
      inputs: [fp32('x', 'batch', 'n')],
      outputs: [fp32('y', 'batch', 'n')],
      initializers: [{ name: 'always', datatype: 'BOOL', shape: [], data: Uint8Array.of(1) }],
      nodes: [
        node('ReduceMax', ['x'], ['rounds'], { keepdims: { int: 0 } }),
        node('Cast', ['rounds'], ['trips'], { to: { int: 7 } }),
        node('Loop', ['trips', 'always', 'x'], ['y'], {
          body: {
            graph: {
              inputs: [int64('round'), { name: 'going', datatype: 'BOOL', shape: [] }, fp32('in', 'batch', 'n')],
              outputs: [{ name: 'goes_on', datatype: 'BOOL', shape: [] }, fp32('out', 'batch', 'n')],
              nodes: [node('Identity', ['going'], ['goes_on']), node('Identity', ['in'], ['out'])],
            },
          },
        }),
      ],
    }),
  };
}

/** Elements of a row of `hugeOutput`: 64 MiB. */
export const HUGE_OUTPUT_ELEMENTS = 16 * 1024 * 1024;

const simple = (trap: string, batches: boolean, inputs: readonly Value[], outputs: readonly Value[], nodes: readonly Node[], axes?: { in: (number | null)[]; out: (number | null)[] }): TrapModel => ({
  trap, batches, ...(axes === undefined ? {} : { inputAxes: axes.in, outputAxes: axes.out }), bytes: model({ inputs, outputs, nodes }),
});

const DOZEN = Array.from({ length: 12 }, (_, index) => `y${index}`);

export const TRAP_MODELS = {
  outputAxisOne: outputAxisOne(),
  stateAxisOne: stateAxisOne(),
  renamedOutputAxis: simple('the first output axis has another name', true, [fp32('x', 'batch', 4)], [fp32('y', 'unk__17', 4)], [node('Neg', ['x'], ['y'])], { in: [0], out: [0] }),
  timeCumulative: timeFirst([node('CumSum', ['x', 'axis0'], ['y'])], 'the first axis is time: a running sum', fp32('y', 'batch', 4), [index('axis0', 0)]),
  timeMean: timeFirst([node('ReduceMean', ['x'], ['y'], { axes: { ints: [0] }, keepdims: { int: 1 } })], 'the first axis is time: a mean over it', fp32('y', 1, 4)),
  timeSoftmax: timeFirst([node('Softmax', ['x'], ['y'], { axis: { int: 0 } })], 'the first axis is time: a softmax over it', fp32('y', 'batch', 4)),
  sharedScalar: simple('a scalar input that all rows share', true, [fp32('x', 'batch', 4), fp32('scale')], [fp32('y', 'batch', 4)], [node('Mul', ['x', 'scale'], ['y'])], { in: [0, null], out: [0] }),
  lengthsMask: lengths(false),
  lengthsTrim: lengths(true),
  fixedBatchOne: simple('the batch is fixed at 1', false, [fp32('x', 1, 4)], [fp32('y', 1, 4)], [node('Neg', ['x'], ['y'])]),
  fp64Output: simple('FP64 outputs', true, [fp32('x', 'batch', 4)], [{ name: 'y', datatype: 'FP64', shape: ['batch', 4] }], [node('Cast', ['x'], ['y'], { to: { int: 11 } })], { in: [0], out: [0] }),
  colonNames: simple("tensor names with ':'", true, [fp32('serving_default_x:0', 'batch', 4)], [fp32('StatefulPartitionedCall:0', 'batch', 4)], [node('Neg', ['serving_default_x:0'], ['StatefulPartitionedCall:0'])], { in: [0], out: [0] }),
  dozenOutputs: simple('a dozen outputs', true, [fp32('x', 'batch', 4)], DOZEN.map((name) => fp32(name, 'batch', 4)), DOZEN.map((name, index) => node(index % 2 === 0 ? 'Neg' : 'Abs', ['x'], [name])), { in: [0], out: DOZEN.map(() => 0) }),
  dynamicQuantisation: dynamicQuantisation(),
  divide: simple('INT64_MIN / -1 kills the process', true, [int64('a', 'batch', 'n'), int64('b', 'batch', 'n')], [int64('y', 'batch', 'n')], [node('Div', ['a', 'b'], ['y'])], { in: [0, 0], out: [0] }),
  loop: loop(),
  sequenceOutput: simple('an output that is no tensor', false, [fp32('x', 'batch', 4)], [{ name: 'y', datatype: 'FP32', shape: [1, 4], sequence: true }], [node('SplitToSequence', ['x'], ['y'], { axis: { int: 0 } })]),
  hugeOutput: {
    trap: '64 MiB of output for 4 bytes of input', batches: true, inputAxes: [0], outputAxes: [0],
    bytes: model({ inputs: [fp32('x', 'batch', 1)], outputs: [fp32('y', 'batch', HUGE_OUTPUT_ELEMENTS)], initializers: [int64s('wide', [1, HUGE_OUTPUT_ELEMENTS])], nodes: [node('Expand', ['x', 'wide'], ['y'])] }),
  },
  dataDependentShape: simple("the output's shape depends on the values", false, [fp32('x', 'batch', 4)], [int64('y', 2, 'found')], [node('NonZero', ['x'], ['y'])]),
  random: simple('answers differ from run to run', false, [fp32('x', 'batch', 4)], [fp32('y', 'batch', 4)], [node('RandomUniformLike', ['x'], ['y'])]),
  embedding: {
    trap: 'indices into a small table: most integers are an error', batches: true, inputAxes: [0], outputAxes: [0],
    bytes: model({
      inputs: [int64('ids', 'batch', 'sequence')],
      outputs: [fp32('y', 'batch', 'sequence', 2)],
      initializers: [{ name: 'table', datatype: 'FP32', shape: [8, 2], data: Float32Array.from({ length: 16 }, (_, index) => index / 16) }],
      nodes: [node('Gather', ['table', 'ids'], ['y'])],
    }),
  },
} as const satisfies Readonly<Record<string, TrapModel>>;

export type TrapName = keyof typeof TRAP_MODELS;
