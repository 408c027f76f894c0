/** Decodes pictures. */
import { decode } from 'jpeg-js';
import { PNG } from 'pngjs';
import { CommandError } from '../io.ts';

/** 8 bits a channel, red first, rows from the top, without padding. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

const PNG_MAGIC = Buffer.from([0x89, 0x50, 0x4e, 0x47]);
const JPEG_MAGIC = Buffer.from([0xff, 0xd8, 0xff]);
const WHITE = 255;

export function isPicture(bytes: Buffer): boolean {
  return startsWith(bytes, PNG_MAGIC) || startsWith(bytes, JPEG_MAGIC);
}

/** Decodes PNG and JPEG; what is transparent becomes white. Throws CommandError when the file is broken. */
export function decodePicture(bytes: Buffer): Picture {
  try {
    const { width, height, data } = startsWith(bytes, PNG_MAGIC) ? PNG.sync.read(bytes) : decode(bytes, { useTArray: true, formatAsRGBA: true });
    return { width, height, rgb: flatten(data, width * height) };
  } catch (error) {
    throw new CommandError(`the picture can't be decoded: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function flatten(rgba: Uint8Array, pixels: number): Uint8Array {
  const rgb = new Uint8Array(pixels * 3);
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    const alpha = rgba[pixel * 4 + 3] ?? WHITE;
    for (let channel = 0; channel < 3; channel += 1) {
      const value = rgba[pixel * 4 + channel] ?? 0;
      rgb[pixel * 3 + channel] = Math.round((value * alpha + WHITE * (WHITE - alpha)) / WHITE);
    }
  }
  return rgb;
}

function startsWith(bytes: Buffer, magic: Buffer): boolean {
  return bytes.subarray(0, magic.length).equals(magic);
}
