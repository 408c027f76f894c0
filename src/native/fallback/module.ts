/** NativeModule in TypeScript: the same answers as the addon, with more CPU, and without shared memory and NVML. */
import type { JsonFault, NativeModule } from '../contract.ts';
import { checkTarget } from '../checks.ts';
import { fallbackPrinter } from './printer.ts';
import { FallbackParser } from './request-parser.ts';
import { TensorReader } from './tensor-reader.ts';
import { TextFault, asBuffer, describe, skipSpace } from './text.ts';
import type { Input } from './text.ts';
import type { Datatype } from '../../contracts/tensor.ts';

function parseTensorText(text: Uint8Array, datatype: Datatype, shape: readonly number[], out: Uint8Array): { fault: JsonFault | null; written: number } {
  const count = checkTarget(out, datatype, shape);
  const reader = new TensorReader({ datatype, shape, count, outerDepth: 0, maxDepth: Infinity }, out);
  const input: Input = { bytes: asBuffer(text), p: 0, end: text.byteLength, base: 0 };
  let fault: JsonFault | null = null;
  try {
    const status = reader.read(input);
    if (status === 'grow') throw new RangeError('out is smaller than the tensor');
    if (status === 'more' && !reader.end()) throw new TextFault(text.byteLength, 'the data ends before it is complete');
    skipSpace(input);
    if (input.p < input.end) throw new TextFault(input.p, `${describe(input.bytes[input.p] ?? 0)} stands after the end of the data`);
  } catch (error) {
    if (!(error instanceof TextFault)) throw error;
    fault = { position: error.position, message: error.message, input: null };
  }
  return { fault, written: reader.written };
}

export function createFallback(): NativeModule {
  return {
    kind: 'fallback',
    createJsonRequestParser: (limits) => new FallbackParser(limits),
    parseTensorText,
    printer: fallbackPrinter,
    shared: null,
    nvml: () => ({ found: false, reason: 'the native addon is not built, and without it NVML can\'t be asked' }),
  };
}
