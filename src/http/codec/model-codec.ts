/** What the codec needs to know of one model, worked out once per model and not once per request. */
import { isDeepStrictEqual } from 'node:util';
import type { BatchAxis, ServingModel } from '../../contracts/model.ts';
import { ELEMENT_BYTES, elementCount, type Datatype, type TensorSpec } from '../../contracts/tensor.ts';
import { SluiceError } from '../../errors.ts';
import { quoted, shapeText } from './text.ts';

/** One input of a model: its rules, and the arena lane of its rows. */
export class InputRule {
  readonly index: number;
  readonly spec: TensorSpec;
  readonly batchAxis: BatchAxis;
  /** The declared shape with -1 on the batch axis. */
  readonly wanted: readonly number[];
  /** `input "x"`: how messages begin. */
  readonly label: string;
  readonly #lanePrefix: string | null;
  #laneShape: readonly number[] = [];
  #lane = '';

  constructor(model: ServingModel, index: number, spec: TensorSpec) {
    this.index = index;
    this.spec = spec;
    this.batchAxis = model.batching.batchable ? (model.batching.inputAxes[index] ?? null) : null;
    this.wanted = spec.shape.map((dimension, axis) => (axis === this.batchAxis ? -1 : dimension));
    this.label = `input ${quoted(spec.name)}`;
    this.#lanePrefix = this.batchAxis === 0 && ELEMENT_BYTES[spec.datatype] !== null ? `${model.key}/${spec.name}/` : null;
  }

  /** Elements of a tensor that came for this input. Throws BAD_TENSOR when datatype or shape are not the model's. */
  count(datatype: Datatype, shape: readonly number[]): number {
    if (datatype !== this.spec.datatype) {
      throw new SluiceError('BAD_TENSOR', `${this.label}: datatype ${datatype} came, the model takes ${this.spec.datatype}`);
    }
    const fits = shape.length === this.wanted.length && shape.every((dimension, axis) => this.wanted[axis] === -1 || this.wanted[axis] === dimension);
    if (!fits) throw new SluiceError('BAD_TENSOR', `${this.label}: shape ${shapeText(shape)} does not fit ${shapeText(this.wanted)}`);
    if (this.batchAxis !== null && shape[this.batchAxis] === 0) {
      throw new SluiceError('BAD_TENSOR', `${this.label}: shape ${shapeText(shape)} has no rows; send at least one`);
    }
    const count = elementCount(shape);
    if (count === null) throw new SluiceError('BAD_TENSOR', `${this.label}: shape ${shapeText(shape)} has more elements than can be counted`);
    return count;
  }

  /** Lane that rows of this shape share in the arena; null where rows are not side by side along axis 0, or vary in size. */
  lane(shape: readonly number[]): string | null {
    if (this.#lanePrefix === null) return null;
    if (!sameRow(shape, this.#laneShape)) {
      this.#laneShape = shape;
      this.#lane = this.#lanePrefix + shape.slice(1).join('x');
    }
    return this.#lane;
  }
}

/** Equal but for axis 0. */
function sameRow(one: readonly number[], other: readonly number[]): boolean {
  if (one.length !== other.length) return false;
  for (let axis = 1; axis < one.length; axis += 1) {
    if (one[axis] !== other[axis]) return false;
  }
  return true;
}

export class ModelCodec {
  readonly model: ServingModel;
  readonly inputs: readonly InputRule[];
  /** The response up to its outputs: `"model_name":…,"model_version":…,"outputs":[`. */
  readonly responsePrefix: string;
  readonly #inputsByName: ReadonlyMap<string, InputRule>;
  readonly #outputsByName: ReadonlyMap<string, number>;

  constructor(model: ServingModel) {
    this.model = model;
    this.inputs = model.inputs.map((spec, index) => new InputRule(model, index, spec));
    this.#inputsByName = new Map(this.inputs.map((rule) => [rule.spec.name, rule]));
    this.#outputsByName = new Map(model.outputs.map((spec, index) => [spec.name, index]));
    this.responsePrefix = `"model_name":${JSON.stringify(model.name)},"model_version":${JSON.stringify(model.version)},"outputs":[`;
  }

  /** Whether tensors that were read for this model are what `other` takes, row for row. */
  readsFor(other: ServingModel): boolean {
    const { inputs, outputs, batching } = this.model;
    return isDeepStrictEqual([inputs, outputs, batching.inputAxes, batching.outputAxes], [other.inputs, other.outputs, other.batching.inputAxes, other.batching.outputAxes]);
  }

  /** Throws BAD_TENSOR for a name that the model does not have. */
  input(name: string): InputRule {
    const rule = this.#inputsByName.get(name);
    if (rule !== undefined) return rule;
    const known = this.model.inputs.map((spec) => quoted(spec.name)).join(', ');
    throw new SluiceError('BAD_TENSOR', `input ${quoted(name)} is unknown; ${quoted(this.model.name)} takes ${known === '' ? 'no inputs' : known}`);
  }

  /** Index into the model's outputs. Throws BAD_TENSOR for a name that the model does not have. */
  output(name: string): number {
    const index = this.#outputsByName.get(name);
    if (index !== undefined) return index;
    const known = this.model.outputs.map((spec) => quoted(spec.name)).join(', ');
    throw new SluiceError('BAD_TENSOR', `output ${quoted(name)} is unknown; ${quoted(this.model.name)} gives ${known}`);
  }
}

/** Codecs by model; a model that is loaded again is another object and gets its own. */
export function createCodecCache(): (model: ServingModel) => ModelCodec {
  const codecs = new WeakMap<ServingModel, ModelCodec>();
  return (model) => {
    const known = codecs.get(model);
    if (known !== undefined) return known;
    const codec = new ModelCodec(model);
    codecs.set(model, codec);
    return codec;
  };
}
