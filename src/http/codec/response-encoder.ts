/**
 * Infer responses as one buffer: JSON, followed by the binary outputs. Output data is valid only during the call that hands
 * it over, so a response is encoded there and then.
 */
import type { OutputTensor } from '../../contracts/job.ts';
import { SluiceError } from '../../errors.ts';
import type { TensorPrinter } from '../../native/contract.ts';
import { classify } from './classification.ts';
import type { ModelCodec } from './model-codec.ts';
import type { OutputPlan } from './parameters.ts';
import { quoted, shapeText } from './text.ts';

export interface EncodedResponse {
  readonly body: Buffer;
  /** Bytes of JSON at the start of `body`; null where that is all of it. */
  readonly jsonBytes: number | null;
  /** The outputs as they stand in `body`: by plan, with views of their bytes where they are binary. Empty where the body is all JSON. */
  readonly outputs: readonly OutputTensor[];
}

const FIRST_SCRATCH_BYTES = 65_536;
/** A scratch that one large answer has grown is not kept above this. */
const KEPT_SCRATCH_BYTES = 4 * 1024 * 1024;
const NOT_UTF8 = -2;
const AS_JSON = { binary: false } as const;

export class ResponseEncoder {
  readonly #printer: TensorPrinter;
  /** JSON is printed here and copied out at its real size: the bound for floats is several times what they take. */
  #scratch = Buffer.allocUnsafeSlow(FIRST_SCRATCH_BYTES);
  #at = 0;

  constructor(printer: TensorPrinter) {
    this.#printer = printer;
  }

  /**
   * `id`: the client's own, or null; `results`: what the model gave. Throws BAD_TENSOR for BYTES that JSON can't hold, and
   * an Error where an output of the plan is missing, which is a bug.
   */
  encode(codec: ModelCodec, id: string | null, plan: readonly OutputPlan[], results: readonly OutputTensor[]): EncodedResponse {
    const outputs = plan.map((planned) => chosen(codec, planned, results));
    return this.#encode(codec, id, plan, outputs);
  }

  /** The same answer with all outputs in JSON; `outputs` come from an encoded response. Throws as encode(). */
  toJson(codec: ModelCodec, id: string | null, outputs: readonly OutputTensor[]): Buffer {
    return this.#encode(codec, id, outputs.map(() => AS_JSON), outputs).body;
  }

  #encode(codec: ModelCodec, id: string | null, forms: readonly { readonly binary: boolean }[], outputs: readonly OutputTensor[]): EncodedResponse {
    this.#at = 0;
    let text = `${id === null ? '{' : `{"id":${JSON.stringify(id)},`}${codec.responsePrefix}`;
    let binaryBytes = 0;
    outputs.forEach((output, index) => {
      const head = `${index === 0 ? '' : ','}{"name":${JSON.stringify(output.name)},"datatype":"${output.datatype}","shape":[${output.shape.join(',')}],`;
      if (forms[index]?.binary === true) {
        text += `${head}"parameters":{"binary_data_size":${output.data.length}}}`;
        binaryBytes += output.data.length;
        return;
      }
      this.#write(`${text}${head}"data":`);
      this.#print(output);
      text = '}';
    });
    this.#write(`${text}]}`);
    const json = this.#scratch.subarray(0, this.#at);
    const encoded = binaryBytes === 0 && !forms.some(({ binary }) => binary)
      ? { body: Buffer.from(json), jsonBytes: null, outputs: [] }
      : withBinary(json, binaryBytes, forms, outputs);
    if (this.#scratch.length > KEPT_SCRATCH_BYTES) this.#scratch = Buffer.allocUnsafeSlow(FIRST_SCRATCH_BYTES);
    return encoded;
  }

  #write(text: string): void {
    this.#need(3 * text.length);
    this.#at += this.#scratch.write(text, this.#at, 'utf8');
  }

  #print({ name, data, datatype }: OutputTensor): void {
    this.#need(this.#printer.maxPrintedBytes(data, datatype));
    const end = this.#printer.print(data, datatype, this.#scratch, this.#at);
    if (end === NOT_UTF8) {
      throw new SluiceError('BAD_TENSOR', `output ${quoted(name)}: has an element that is not UTF-8, which JSON can't hold; ask for it with "binary_data": true`);
    }
    if (end < 0) throw new Error(`${String(this.#printer.maxPrintedBytes(data, datatype))} bytes were not enough to print output ${name}`);
    this.#at = end;
  }

  #need(byteLength: number): void {
    if (this.#at + byteLength <= this.#scratch.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#at + byteLength, 2 * this.#scratch.length));
    this.#scratch.copy(larger, 0, 0, this.#at);
    this.#scratch = larger;
  }
}

/** JSON and binary outputs in one buffer; the outputs of the answer are views of it, so that it outlives the call. */
function withBinary(json: Buffer, binaryBytes: number, forms: readonly { readonly binary: boolean }[], outputs: readonly OutputTensor[]): EncodedResponse {
  const body = Buffer.allocUnsafe(json.length + binaryBytes);
  body.set(json);
  let at = json.length;
  const kept = outputs.map((output, index) => {
    if (forms[index]?.binary !== true) return { ...output, data: Buffer.from(output.data) };
    body.set(output.data, at);
    const data = body.subarray(at, at + output.data.length);
    at += output.data.length;
    return { name: output.name, datatype: output.datatype, shape: output.shape, data };
  });
  return { body, jsonBytes: json.length, outputs: kept };
}

function chosen(codec: ModelCodec, { index, classes }: OutputPlan, results: readonly OutputTensor[]): OutputTensor {
  const name = codec.model.outputs[index]?.name;
  const output = results[index]?.name === name ? results[index] : results.find((result) => result.name === name);
  if (output === undefined) throw new Error(`the result of ${codec.model.key} has no output ${String(name)}, only ${results.map((result) => `${result.name} ${shapeText(result.shape)}`).join(', ')}`);
  return classes === 0 ? output : classify(output, classes, codec.model.batching.outputAxes[index] === 0);
}
