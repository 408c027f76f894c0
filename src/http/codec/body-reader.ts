/**
 * One infer request's body, in whatever chunks it arrives: JSON, JSON ‖ binary tensors, or raw. It knows nothing of HTTP:
 * bytes in, tensors in the arena out. After an error, or when the client leaves, abandon() gives every place back.
 */
import type { TensorArena } from '../../contracts/arena.ts';
import { SluiceError } from '../../errors.ts';
import type { NativeModule } from '../../native/contract.ts';
import { BinaryPart } from './binary-part.ts';
import type { Envelope } from './envelope.ts';
import { EnvelopeCache } from './envelope-cache.ts';
import { JsonPart } from './json-part.ts';
import type { ModelCodec } from './model-codec.ts';
import { RawPart } from './raw-part.ts';
import { TensorTable, type FilledInputs } from './tensor-table.ts';
import { counted } from './text.ts';

/** How the body is divided, as the headers tell. */
export interface BodyFraming {
  /** Inference-Header-Content-Length: bytes of JSON before the tensors, 0 for a raw request; null: the body is all JSON. */
  readonly jsonBytes: number | null;
  /** Bytes of the whole body after decompression; null where that shows only at its end. */
  readonly length: number | null;
}

export interface BodyLimits {
  readonly maxBodyBytes: number;
  /** Nesting in JSON. */
  readonly maxJsonDepth: number;
  /** JSON without tensor data. */
  readonly maxEnvelopeBytes: number;
  readonly maxTensors: number;
}

export interface InferRequest extends FilledInputs {
  readonly envelope: Envelope;
}

const RAW_ENVELOPE: Envelope = { inputs: [], parameters: { binary_data_output: true } };

/** What the reader of every body is given. */
export interface BodyReaderDeps {
  readonly arena: TensorArena;
  readonly native: NativeModule;
  readonly limits: BodyLimits;
  readonly envelopes: EnvelopeCache;
}

export class BodyReader {
  readonly #deps: BodyReaderDeps;
  readonly #table: TensorTable;
  readonly #framing: BodyFraming;
  readonly #raw: RawPart | null;
  #json: JsonPart | null = null;
  #binary: BinaryPart | null = null;
  #envelope: Envelope | null = null;
  #cacheKey: string | null = null;
  #received = 0;

  /** Throws as `write`. `retryAfterMs`: when space in the arena may be free again. */
  constructor(codec: ModelCodec, framing: BodyFraming, deps: BodyReaderDeps, retryAfterMs: () => number) {
    this.#framing = framing;
    this.#deps = deps;
    this.#table = new TensorTable(codec, deps.arena, retryAfterMs);
    this.#raw = framing.jsonBytes === 0 ? new RawPart(this.#table, framing.length) : null;
    if (this.#raw !== null) this.#envelope = RAW_ENVELOPE;
  }

  /** Throws BAD_JSON, BAD_REQUEST, BAD_TENSOR, NOT_SUPPORTED, TOO_LARGE or OVERLOADED. */
  write(chunk: Buffer): void {
    const before = this.#received;
    const { maxBodyBytes } = this.#deps.limits;
    this.#received += chunk.length;
    if (this.#received > maxBodyBytes) throw tooLarge(maxBodyBytes);
    if (this.#raw !== null) {
      this.#raw.feed(chunk);
      return;
    }
    const jsonBytes = this.#framing.jsonBytes ?? Infinity;
    const jsonLeft = Math.max(0, Math.min(chunk.length, jsonBytes - before));
    if (jsonLeft > 0) {
      if (before > 0 || !this.#takeCached(chunk, jsonBytes)) this.#parser().feed(jsonLeft === chunk.length ? chunk : chunk.subarray(0, jsonLeft));
      if (before + jsonLeft === jsonBytes) this.#endJson();
    }
    if (jsonLeft < chunk.length) this.#binary?.feed(chunk, jsonLeft);
  }

  /** The body has ended: the request, whose leases are the caller's from now on. Throws as `write`. */
  end(): InferRequest {
    const { jsonBytes } = this.#framing;
    if (jsonBytes !== null && this.#received < jsonBytes) {
      throw new SluiceError('BAD_REQUEST', `Inference-Header-Content-Length is ${jsonBytes}, but the body has only ${counted(this.#received, 'byte')}`);
    }
    this.#raw?.finish();
    if (this.#envelope === null) this.#endJson();
    this.#binary?.finish();
    if (this.#envelope === null) throw new Error('the body ended without an envelope');
    const { inputs, leases } = this.#table.finish();
    return { envelope: this.#envelope, inputs, leases };
  }

  /** Gives every place back. Does nothing after end(), or when called again. */
  abandon(): void {
    this.#table.abandon();
  }

  /** True where the JSON, whole in the first chunk, is one that was checked before. */
  #takeCached(chunk: Buffer, jsonBytes: number): boolean {
    this.#cacheKey = EnvelopeCache.key(chunk, jsonBytes);
    this.#envelope = (this.#cacheKey === null ? undefined : this.#deps.envelopes.find(this.#cacheKey)) ?? null;
    return this.#envelope !== null;
  }

  #parser(): JsonPart {
    if (this.#json !== null) return this.#json;
    const { native, limits } = this.#deps;
    const { maxJsonDepth: maxDepth, maxEnvelopeBytes, maxTensors, maxBodyBytes } = limits;
    this.#json = new JsonPart(native, this.#table, { maxDepth, maxEnvelopeBytes, maxTensors }, this.#framing.jsonBytes ?? this.#framing.length ?? maxBodyBytes);
    return this.#json;
  }

  #endJson(): void {
    if (this.#envelope === null) {
      this.#envelope = this.#parser().finish();
      if (this.#cacheKey !== null) this.#deps.envelopes.add(this.#cacheKey, this.#envelope);
    }
    const { length, jsonBytes } = this.#framing;
    const available = jsonBytes === null ? null : (length ?? this.#deps.limits.maxBodyBytes) - jsonBytes;
    this.#binary = new BinaryPart(this.#table, this.#envelope.inputs, available);
  }
}

/** The one wording of a body over its bound. */
export function tooLarge(maxBytes: number): SluiceError {
  return new SluiceError('TOO_LARGE', `the body is larger than ${counted(maxBytes, 'byte')}, also after decompression; send fewer rows, or set MAX_REQUEST_MIB`);
}
