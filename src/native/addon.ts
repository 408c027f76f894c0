/** The compiled addon as the contract's NativeModule. The raw functions pack what they return into numbers, which is what a call costs least. */
import { checkRegrow, checkTarget, datatypeIndex, maxPrintedBytes } from './checks.ts';
import type {
  JsonFault, JsonParserLimits, JsonParserStatus, JsonRequestParser, NativeModule, NvmlReport, SharedMemory,
} from './contract.ts';
import type { Datatype } from '../contracts/tensor.ts';

type RawParser = object;
/** Position, message, and index into `inputs` or -1. */
type RawFault = [position: number, message: string, input: number];

/** What build/Release/sluice.node exports (native/*_binding.cc, native/shared_memory.cc, native/nvml.cc). */
export interface RawAddon {
  parserCreate(maxDepth: number, maxEnvelopeBytes: number, maxTensors: number): RawParser;
  /** Returns consumed × 4 + status. */
  parserFeed(parser: RawParser, chunk: Uint8Array, from: number, target: Uint8Array | null): number;
  parserFinish(parser: RawParser): number;
  parserFault(parser: RawParser): RawFault;
  parserElement(parser: RawParser): string;
  parserTarget(parser: RawParser, datatype: number, shape: readonly number[]): void;
  parserCapture(parser: RawParser): void;
  parserWritten(parser: RawParser): number;
  parserTakeEnvelope(parser: RawParser): string;
  parseTensorText(text: Uint8Array, datatype: number, shape: readonly number[], out: Uint8Array): [written: number, fault: RawFault | null];
  print(data: Uint8Array, datatype: number, out: Uint8Array, at: number): number;
  sharedCreate(byteLength: number): { fd: number; buffer: ArrayBuffer };
  sharedMap(fd: number, byteLength: number): ArrayBuffer;
  futexWait(buffer: ArrayBuffer, byteOffset: number, expected: number, timeoutMs: number): boolean;
  futexWake(buffer: ArrayBuffer, byteOffset: number, count: number): number;
  ring(fd: number): void;
  dieWithParent(): void;
  nvml(path?: string): NvmlReport;
}

const STATUSES = ['more', 'tensor', 'grow', 'fault'] as const satisfies readonly JsonParserStatus[];

function statusOf(packed: number): JsonParserStatus {
  const status = STATUSES[packed % 4];
  if (status === undefined) throw new TypeError(`the addon returned ${String(packed)}`);
  return status;
}

function faultOf([position, message, input]: RawFault): JsonFault {
  return { position, message, input: input < 0 ? null : input };
}

class AddonParser implements JsonRequestParser {
  readonly #raw: RawAddon;
  readonly #parser: RawParser;
  /** The addon keeps no pointer to it between calls. */
  #target: Uint8Array | null = null;
  #consumed = 0;
  #envelope: string | null = null;

  constructor(raw: RawAddon, limits: JsonParserLimits) {
    this.#raw = raw;
    this.#parser = raw.parserCreate(limits.maxDepth, limits.maxEnvelopeBytes, limits.maxTensors);
  }

  feed(chunk: Uint8Array, from: number): JsonParserStatus {
    const packed = this.#raw.parserFeed(this.#parser, chunk, from, this.#target);
    this.#consumed = Math.floor(packed / 4);
    return statusOf(packed);
  }

  get consumed(): number {
    return this.#consumed;
  }

  finish(): JsonParserStatus {
    return statusOf(this.#raw.parserFinish(this.#parser));
  }

  fault(): JsonFault {
    return faultOf(this.#raw.parserFault(this.#parser));
  }

  element(): string {
    return this.#raw.parserElement(this.#parser);
  }

  target(bytes: Uint8Array, datatype: Datatype, shape: readonly number[]): void {
    checkTarget(bytes, datatype, shape);
    this.#raw.parserTarget(this.#parser, datatypeIndex(datatype), shape);
    this.#target = bytes;
  }

  capture(bytes: Uint8Array): void {
    this.#raw.parserCapture(this.#parser);
    this.#target = bytes;
  }

  regrow(bytes: Uint8Array): void {
    if (this.#target === null) throw new TypeError('regrow() without a target');
    checkRegrow(bytes, this.#target);
    this.#target = bytes;
  }

  get written(): number {
    return this.#raw.parserWritten(this.#parser);
  }

  envelope(): string {
    this.#envelope ??= this.#raw.parserTakeEnvelope(this.#parser);
    return this.#envelope;
  }
}

/** Wraps what `require` of the addon gave. */
export function wrapAddon(raw: RawAddon): NativeModule {
  const shared: SharedMemory = {
    create: (byteLength) => raw.sharedCreate(byteLength),
    map: (fd, byteLength) => raw.sharedMap(fd, byteLength),
    futexWait: (buffer, byteOffset, expected, timeoutMs) => raw.futexWait(buffer, byteOffset, expected, timeoutMs),
    futexWake: (buffer, byteOffset, count) => raw.futexWake(buffer, byteOffset, count),
    ring: (fd) => {
      raw.ring(fd);
    },
    dieWithParent: () => {
      raw.dieWithParent();
    },
  };
  return {
    kind: 'addon',
    createJsonRequestParser: (limits) => new AddonParser(raw, limits),
    parseTensorText(text, datatype, shape, out) {
      checkTarget(out, datatype, shape);
      const [written, fault] = raw.parseTensorText(text, datatypeIndex(datatype), shape, out);
      return { written, fault: fault === null ? null : faultOf(fault) };
    },
    printer: {
      print: (data, datatype, out, at) => raw.print(data, datatypeIndex(datatype), out, at),
      maxPrintedBytes,
    },
    shared,
    nvml: () => raw.nvml(),
  };
}
