/** The modules that the shared suite runs on, and a driver that uses a parser the way the HTTP codec does. */
import type { JsonFault, JsonParserLimits, JsonRequestParser, NativeModule } from '../../../src/native/contract.ts';
import { loadNative } from '../../../src/native/load.ts';
import { ELEMENT_BYTES, elementCount } from '../../../src/contracts/tensor.ts';
import type { Datatype } from '../../../src/contracts/tensor.ts';

/** scripts/test-native-sanitized.mjs points this at the sanitized build. */
const ADDON_FILE = process.env['SLUICE_TEST_ADDON'];

function loadAddon(): NativeModule | null {
  try {
    return loadNative('addon', ADDON_FILE).module;
  } catch (error) {
    console.warn(`SKIPPED on the addon: ${String(error)}`);
    return null;
  }
}

export const fallback: NativeModule = loadNative('fallback').module;
/** Null, with the reason printed, where it is not built. */
export const addon: NativeModule | null = loadAddon();
export const modules: readonly NativeModule[] = addon === null ? [fallback] : [addon, fallback];

export const LIMITS: JsonParserLimits = { maxDepth: 32, maxEnvelopeBytes: 65536, maxTensors: 16 };

interface Element {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: Datatype;
}

export interface Parsed {
  readonly fault: JsonFault | null;
  /** Null when there is a fault. */
  readonly envelope: string | null;
  /** By index into `inputs`; bytes, or the captured text. */
  readonly tensors: readonly Uint8Array[];
  readonly elements: readonly Element[];
}

export interface ParseOptions {
  readonly limits?: JsonParserLimits;
  /** Sizes of chunks, used in turn again and again; 0 stands for an empty chunk (not only zeros). One chunk without it. */
  readonly splits?: readonly number[];
  /** Captures the data instead of parsing it. */
  readonly capture?: boolean;
  /** First size of BYTES targets and captures. */
  readonly room?: number;
}

function* chunksOf(body: Uint8Array, splits: readonly number[]): Generator<Uint8Array> {
  let at = 0;
  for (let i = 0; at < body.byteLength; i += 1) {
    const size = splits.length === 0 ? body.byteLength : splits[i % splits.length] ?? 1;
    yield body.subarray(at, at + size);
    at += size;
  }
}

function begin(parser: JsonRequestParser, element: Element, options: ParseOptions): Uint8Array {
  const size = ELEMENT_BYTES[element.datatype];
  const count = elementCount(element.shape);
  if (count === null) throw new RangeError(`bad shape in a test: ${JSON.stringify(element.shape)}`);
  const target = new Uint8Array(options.capture === true || size === null ? options.room ?? 0 : count * size);
  if (options.capture === true) parser.capture(target);
  else parser.target(target, element.datatype, element.shape);
  return target;
}

/** Parses a whole body as the codec would. */
export function parse(module: NativeModule, body: string | Uint8Array, options: ParseOptions = {}): Parsed {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const parser = module.createJsonRequestParser(options.limits ?? LIMITS);
  const tensors: Uint8Array[] = [];
  const elements: Element[] = [];
  let target: Uint8Array | null = null;
  const finishTarget = (): void => {
    if (target !== null) tensors.push(target.subarray(0, parser.written));
    target = null;
  };
  for (const chunk of chunksOf(bytes, options.splits ?? [])) {
    // what the parser has read it must not need again
    const copy = Uint8Array.from(chunk);
    for (let from = 0, status = 'start'; status !== 'more';) {
      status = parser.feed(copy, from);
      from = parser.consumed;
      if (status === 'fault') return { fault: parser.fault(), envelope: null, tensors, elements };
      if (status === 'tensor') {
        finishTarget();
        const element = JSON.parse(parser.element()) as Element;
        elements.push(element);
        target = begin(parser, element, options);
      } else if (status === 'grow') {
        const old: Uint8Array = target ?? new Uint8Array(0);
        target = new Uint8Array(old.byteLength + 3);
        target.set(old);
        parser.regrow(target);
      }
    }
    copy.fill(0);
  }
  finishTarget();
  if (parser.finish() === 'fault') return { fault: parser.fault(), envelope: null, tensors, elements };
  return { fault: null, envelope: parser.envelope(), tensors, elements };
}

/** A request with one input whose data is the given JSON text. */
export function requestWith(data: string, datatype: Datatype, shape: readonly number[]): string {
  return `{"inputs":[{"name":"x","shape":${JSON.stringify(shape)},"datatype":"${datatype}","data":${data}}]}`;
}

/** Bytes of one input's data, or the fault. */
export function parseData(module: NativeModule, data: string, datatype: Datatype, shape: readonly number[], splits: readonly number[] = []): Uint8Array | JsonFault {
  const parsed = parse(module, requestWith(data, datatype, shape), { splits });
  if (parsed.fault !== null) return parsed.fault;
  const tensor = parsed.tensors[0];
  if (tensor === undefined) throw new Error('no tensor was read');
  return tensor;
}

/** Position of the first byte of data in requestWith's text. */
export function dataStart(datatype: Datatype, shape: readonly number[]): number {
  return requestWith('', datatype, shape).length - 3;
}

export function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** BYTES elements as they lie in the arena and on the wire. */
export function encodeBytes(elements: readonly (string | Uint8Array)[]): Uint8Array {
  const parts = elements.map((element) => Buffer.from(element));
  return Buffer.concat(parts.flatMap((part) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(part.byteLength);
    return [length, part];
  }));
}
