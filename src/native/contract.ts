/**
 * The whole contract between TypeScript and the addon (native/), and so of its pure-TypeScript fallback.
 * Null, never undefined, means "nothing"; undefined always means "forgotten". Nothing is thrown across the boundary
 * but TypeError and RangeError for wrong arguments (a bug of ours); what clients send wrong comes back as data.
 */
import type { Datatype } from '../contracts/tensor.ts';

/** A client's mistake in JSON, with where it is. `position`: bytes from the start of the body. */
export interface JsonFault {
  readonly position: number;
  /** Names what was found and what is wanted, e.g. `"abc" is not a number`, `256 is out of range for UINT8`. */
  readonly message: string;
  /** Index into `inputs` where the fault lies inside one, else null. */
  readonly input: number | null;
}

/**
 * What the parser wants next.
 * more:   all of the chunk is consumed; feed the next one, or call finish().
 * tensor: it stands right after `"data":` of an input: read `element()`, then call target() or capture(), then go on
 *         feeding from `consumed`.
 * grow:   the target of a BYTES tensor, or of a capture, is full: call regrow() with a larger one (the old bytes are
 *         copied by the caller), then go on feeding from `consumed`.
 * fault:  the client's mistake: read `fault()`. The parser is dead.
 */
export type JsonParserStatus = 'more' | 'tensor' | 'grow' | 'fault';

export interface JsonParserLimits {
  /** Depth of nesting at which a body is refused. */
  readonly maxDepth: number;
  /** Bytes of the body without tensor data. */
  readonly maxEnvelopeBytes: number;
  readonly maxTensors: number;
}

/**
 * Incremental parser of an Open Inference Protocol infer request. It takes the body as it arrives, in any split, writes
 * each input's `data` straight to its place, and keeps the rest (the envelope) as text. At the root object, in `inputs`
 * and in each input, a repeated key is a fault. Strings must be valid UTF-8. The literals NaN, Infinity and -Infinity,
 * and the strings "NaN", "Infinity" and "-Infinity", are numbers for FP16, FP32 and FP64 only.
 */
export interface JsonRequestParser {
  /** Feeds chunk[from…]. Returns a status; `consumed` tells up to where it came. */
  feed(chunk: Uint8Array, from: number): JsonParserStatus;
  /** Index into the last chunk of the first byte that is not consumed. */
  readonly consumed: number;
  /** The body has ended. 'more' means a complete request was read; otherwise 'fault'. */
  finish(): JsonParserStatus;
  fault(): JsonFault;
  /** At 'tensor': the JSON of this input's members so far, a complete object, e.g. `{"name":"x","shape":[1,2],"datatype":"FP32"}`. */
  element(): string;
  /**
   * At 'tensor': where the data goes. `bytes` holds exactly the tensor (fixed-size datatypes) or at most (BYTES; see grow).
   * Checks while parsing: nesting is flat, or exactly `shape`; the count is exact; each value is in range.
   */
  target(bytes: Uint8Array, datatype: Datatype, shape: readonly number[]): void;
  /** At 'tensor', when datatype or shape are not known yet: keeps the raw JSON text of the data in `bytes`. */
  capture(bytes: Uint8Array): void;
  regrow(bytes: Uint8Array): void;
  /** Bytes written to the last target or capture: what BYTES tensors and captures came to. */
  readonly written: number;
  /** After finish(): the whole request with each input's data replaced by its index in `inputs`, e.g. `"data":0`. */
  envelope(): string;
}

/** How values that JSON has no number for are printed: proto3's JSON mapping, "NaN", "Infinity", "-Infinity" as strings. */
export interface TensorPrinter {
  /**
   * Prints a tensor's elements as a flat JSON array, shortest round-trip, into `out` from `at`; returns the position after it,
   * or -1 when it does not fit (nothing is promised about `out` then). BYTES elements must be valid UTF-8: -2 when one is not.
   */
  print(data: Uint8Array, datatype: Datatype, out: Uint8Array, at: number): number;
  /** Bytes that are always enough for `print`. */
  maxPrintedBytes(data: Uint8Array, datatype: Datatype): number;
}

/** Memory that processes share, and a way to sleep on it. Only the addon has it. */
export interface SharedMemory {
  /** A sealed memfd (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) without name in any filesystem, mapped. */
  create(byteLength: number): { readonly fd: number; readonly buffer: ArrayBuffer };
  /** Maps an inherited descriptor. Each isolate maps its own; unmapped when the isolate ends. */
  map(fd: number, byteLength: number): ArrayBuffer;
  /** Sleeps while the 32-bit word at byteOffset equals `expected`, at most timeoutMs. False on timeout. Cross-process. */
  futexWait(buffer: ArrayBuffer, byteOffset: number, expected: number, timeoutMs: number): boolean;
  futexWake(buffer: ArrayBuffer, byteOffset: number, count: number): number;
  /** Writes one byte to a descriptor without blocking: rings the front's doorbell. A full pipe is fine: it rings already. */
  ring(fd: number): void;
  /** Kills this process when its parent dies (prctl PR_SET_PDEATHSIG SIGKILL). */
  dieWithParent(): void;
}

export interface NvmlDevice {
  readonly index: number;
  readonly name: string;
  readonly uuid: string;
  readonly memoryTotalBytes: number;
  readonly memoryUsedBytes: number;
  readonly utilizationPercent: number | null;
}

export type NvmlReport =
  | { readonly found: true; readonly driverVersion: string; readonly devices: readonly NvmlDevice[] }
  | { readonly found: false; readonly reason: string };

/** The addon, or its fallback. `shared` is null in the fallback. */
export interface NativeModule {
  readonly kind: 'addon' | 'fallback';
  createJsonRequestParser(limits: JsonParserLimits): JsonRequestParser;
  /** Parses a captured `data` text (see capture): null when it is right, else the fault (position within the text). `out` as for target(). */
  parseTensorText(text: Uint8Array, datatype: Datatype, shape: readonly number[], out: Uint8Array): { readonly fault: JsonFault | null; readonly written: number };
  readonly printer: TensorPrinter;
  readonly shared: SharedMemory | null;
  /** Asks NVML through dlopen each time: live figures. */
  nvml(): NvmlReport;
}

/** How loading went: which module, and every attempt with its reason, for one clear log line. */
export interface NativeLoad {
  readonly module: NativeModule;
  readonly attempts: readonly string[];
  /** What to do to get the addon; null when it is loaded. */
  readonly remedy: string | null;
}
