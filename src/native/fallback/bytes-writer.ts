/** Writes BYTES elements: a little-endian uint32 length and that many bytes, one after another. */
import { encodeUtf8 } from './string-scanner.ts';
import type { StringSink } from './string-scanner.ts';

const LENGTH_BYTES = 4;

export class BytesWriter implements StringSink {
  readonly #out: Uint8Array;
  readonly #encoded = new Uint8Array(4);
  #written: number;
  #lengthAt: number;

  constructor(out: Uint8Array, written: number, lengthAt = 0) {
    this.#out = out;
    this.#written = written;
    this.#lengthAt = lengthAt;
  }

  get written(): number {
    return this.#written;
  }

  /** Goes on in a larger target, to which the caller has copied what was written. */
  moveTo(out: Uint8Array): BytesWriter {
    return new BytesWriter(out, this.#written, this.#lengthAt);
  }

  /** False when there is no room for the length. */
  beginElement(): boolean {
    if (this.#out.byteLength - this.#written < LENGTH_BYTES) return false;
    this.#lengthAt = this.#written;
    this.#written += LENGTH_BYTES;
    return true;
  }

  endElement(): void {
    const length = this.#written - this.#lengthAt - LENGTH_BYTES;
    new DataView(this.#out.buffer, this.#out.byteOffset).setUint32(this.#lengthAt, length, true);
  }

  run(bytes: Buffer, from: number, to: number): number {
    const taken = Math.min(to - from, this.#out.byteLength - this.#written);
    this.#out.set(bytes.subarray(from, from + taken), this.#written);
    this.#written += taken;
    return taken;
  }

  code(code: number): boolean {
    const length = encodeUtf8(code, this.#encoded);
    if (this.#out.byteLength - this.#written < length) return false;
    this.#out.set(this.#encoded.subarray(0, length), this.#written);
    this.#written += length;
    return true;
  }
}
