/**
 * One infer request's body, in whatever chunks it arrives: JSON, JSON ‖ binary tensors, or raw. It knows nothing of HTTP:
 * bytes in, tensors in the arena out. After an error, or when the client leaves, abandon() gives every place back.
 */
import type { TensorArena } from '../../contracts/arena.ts';
import { SluiceError } from '../../errors.ts';
import type { NativeModule } from '../../native/contract.ts';
import { BinaryPart } from './binary-part.ts';
import type { Envelope } from './envelope.ts';
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

export class BodyReader {
  readonly #table: TensorTable;
  readonly #framing: BodyFraming;
  readonly #maxBytes: number;
  readonly #json: JsonPart | null;
  readonly #raw: RawPart | null;
  #binary: BinaryPart | null = null;
  #envelope: Envelope | null;
  #received = 0;

  /** Throws as `write`. `retryAfterMs`: when space in the arena may be free again. */
  constructor(codec: ModelCodec, framing: BodyFraming, limits: BodyLimits, arena: TensorArena, native: NativeModule, retryAfterMs: () => number) {
    this.#framing = framing;
    this.#maxBytes = limits.maxBodyBytes;
    this.#table = new TensorTable(codec, arena, retryAfterMs);
    const isRaw = framing.jsonBytes === 0;
    const longest = framing.jsonBytes ?? framing.length ?? limits.maxBodyBytes;
    this.#json = isRaw ? null : new JsonPart(native, this.#table, { maxDepth: limits.maxJsonDepth, maxEnvelopeBytes: limits.maxEnvelopeBytes, maxTensors: limits.maxTensors }, longest);
    this.#raw = isRaw ? new RawPart(this.#table, framing.length) : null;
    this.#envelope = isRaw ? RAW_ENVELOPE : null;
  }

  /** Throws BAD_JSON, BAD_REQUEST, BAD_TENSOR, NOT_SUPPORTED, TOO_LARGE or OVERLOADED. */
  write(chunk: Uint8Array): void {
    const before = this.#received;
    this.#received += chunk.length;
    if (this.#received > this.#maxBytes) throw tooLarge(this.#maxBytes);
    if (this.#raw !== null) {
      this.#raw.feed(chunk);
      return;
    }
    const jsonBytes = this.#framing.jsonBytes;
    const jsonLeft = jsonBytes === null ? chunk.length : Math.max(0, jsonBytes - before);
    if (jsonLeft >= chunk.length) {
      this.#json?.feed(chunk);
      if (this.#received === jsonBytes) this.#endJson();
      return;
    }
    if (jsonLeft > 0) {
      this.#json?.feed(chunk.subarray(0, jsonLeft));
      this.#endJson();
    }
    this.#binary?.feed(chunk, jsonLeft);
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

  #endJson(): void {
    if (this.#json === null) return;
    this.#envelope = this.#json.finish();
    const { length, jsonBytes } = this.#framing;
    const available = jsonBytes === null ? null : (length ?? this.#maxBytes) - jsonBytes;
    this.#binary = new BinaryPart(this.#table, this.#envelope.inputs, available);
  }
}

/** The one wording of a body over its bound. */
export function tooLarge(maxBytes: number): SluiceError {
  return new SluiceError('TOO_LARGE', `the body is larger than ${counted(maxBytes, 'byte')}, also after decompression; send fewer rows, or set MAX_REQUEST_MIB`);
}
