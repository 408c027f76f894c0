/** Writes small ONNX models, so that each test makes exactly the model that it is about. */
import type { Datatype } from '../../src/contracts/tensor.ts';
import { ModelProto } from './onnx-schema.ts';

const IR_VERSION = 8;
const OPSET_VERSION = 17;

/** ONNX's TensorProto.DataType. */
const ELEMENT_TYPE: Readonly<Record<Datatype, number>> = {
  FP32: 1, UINT8: 2, INT8: 3, UINT16: 4, INT16: 5, INT32: 6, INT64: 7, BYTES: 8, BOOL: 9, FP16: 10, FP64: 11, UINT32: 12, UINT64: 13,
};

/** A size, the name of a dynamic dimension, or null for a dynamic dimension without a name. */
export type Dimension = number | string | null;

/** What a graph takes or gives. Without `shape` the rank is unknown; `sequence` makes it a sequence of such tensors. */
export interface Value {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape?: readonly Dimension[];
  readonly sequence?: boolean;
}

export interface Constant {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView | readonly string[];
}

export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }
  | { readonly graph: Graph };

export interface Node {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface Graph {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly nodes: readonly Node[];
  readonly initializers?: readonly Constant[];
}

/** `node('Add', ['x', 'one'], ['y'])`. An empty input name leaves an optional input out. */
export function node(op: string, inputs: readonly string[], outputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): Node {
  return { op, inputs, outputs, attributes };
}

/** A one-dimensional INT64 constant: what shapes, axes and indices are. */
export function int64s(name: string, values: readonly number[]): Constant {
  return { name, datatype: 'INT64', shape: [values.length], data: BigInt64Array.from(values, BigInt) };
}

/** A scalar FP32 constant. */
export function scalar(name: string, value: number): Constant {
  return { name, datatype: 'FP32', shape: [], data: Float32Array.of(value) };
}

/** The bytes of a model file (ir_version 8, opset 17). */
export function model(graph: Graph): Uint8Array {
  const message = { ir_version: IR_VERSION, producer_name: 'sluice-tests', graph: graphProto(graph), opset_import: [{ domain: '', version: OPSET_VERSION }] };
  const problem = ModelProto.verify(message);
  if (problem !== null) throw new TypeError(`not an ONNX model: ${problem}`);
  return ModelProto.encode(ModelProto.create(message)).finish();
}

function graphProto(graph: Graph): object {
  return {
    name: 'graph',
    node: graph.nodes.map((each) => ({
      input: each.inputs,
      output: each.outputs,
      name: each.outputs.find((name) => name !== '') ?? each.op,
      op_type: each.op,
      attribute: Object.entries(each.attributes).map(([name, value]) => ({ name, ...attributeValue(value) })),
    })),
    initializer: (graph.initializers ?? []).map(tensorProto),
    input: graph.inputs.map(valueInfo),
    output: graph.outputs.map(valueInfo),
  };
}

function attributeValue(value: Attribute): object {
  if ('int' in value) return { type: 2, i: value.int };
  if ('float' in value) return { type: 1, f: value.float };
  if ('string' in value) return { type: 3, s: Buffer.from(value.string) };
  if ('ints' in value) return { type: 7, ints: value.ints };
  if ('floats' in value) return { type: 6, floats: value.floats };
  return { type: 5, g: graphProto(value.graph) };
}

function valueInfo(value: Value): object {
  const tensor = { tensor_type: { elem_type: ELEMENT_TYPE[value.datatype], ...(value.shape === undefined ? {} : { shape: { dim: value.shape.map(dimension) } }) } };
  return { name: value.name, type: value.sequence === true ? { sequence_type: { elem_type: tensor } } : tensor };
}

function dimension(size: Dimension): object {
  if (size === null) return {};
  return typeof size === 'number' ? { dim_value: size } : { dim_param: size };
}

function tensorProto(constant: Constant): object {
  const head = { name: constant.name, dims: constant.shape, data_type: ELEMENT_TYPE[constant.datatype] };
  const { data } = constant;
  if (ArrayBuffer.isView(data)) return { ...head, raw_data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
  return { ...head, string_data: data.map((text) => Buffer.from(text)) };
}
