import { encode } from 'jpeg-js';
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { imageTensor } from '../../../src/cli/input/image-tensor.ts';
import { decodePicture, isPicture, type Picture } from '../../../src/cli/input/picture.ts';
import type { ImageInput } from '../../../src/repository/model-json.ts';

const PLAIN: ImageInput = { input: 'x', width: 2, height: 1, layout: 'NCHW', channels: 'rgb', fit: 'stretch', mean: [0, 0, 0], std: [1, 1, 1] };
/** Red, then blue. */
const TWO: Picture = { width: 2, height: 1, rgb: Uint8Array.of(255, 0, 0, 0, 0, 255) };

const gray = (width: number, height: number): Picture => ({ width, height, rgb: new Uint8Array(width * height * 3).fill(255) });

describe('picture', () => {
  it('comes from PNG, with what is transparent made white', () => {
    const png = new PNG({ width: 2, height: 1 });
    png.data = Buffer.from([255, 0, 0, 255, 0, 0, 0, 0]);
    const file = PNG.sync.write(png);
    expect(isPicture(file)).toBe(true);
    expect(decodePicture(file)).toEqual({ width: 2, height: 1, rgb: Uint8Array.of(255, 0, 0, 255, 255, 255) });
  });

  it('comes from JPEG', () => {
    const { data } = encode({ width: 8, height: 8, data: Buffer.alloc(256, 128) }, 100);
    const picture = decodePicture(data);
    expect([picture.width, picture.height]).toEqual([8, 8]);
    for (const value of picture.rgb) expect(Math.abs(value - 128)).toBeLessThan(3);
  });

  it('that is broken is told as one', () => {
    expect(() => decodePicture(Buffer.from([0x89, 0x50, 0x4e, 0x47, 1, 2]))).toThrow(/^the picture can't be decoded: /);
  });
});

describe('image tensor', () => {
  it('orders channels and axes as the model wants them', () => {
    expect(imageTensor(TWO, PLAIN)).toEqual({ shape: [3, 1, 2], values: Float32Array.of(1, 0, 0, 0, 0, 1) });
    expect([...imageTensor(TWO, { ...PLAIN, channels: 'bgr' }).values]).toEqual([0, 1, 0, 0, 1, 0]);
    expect(imageTensor(TWO, { ...PLAIN, layout: 'NHWC' })).toEqual({ shape: [1, 2, 3], values: Float32Array.of(1, 0, 0, 0, 0, 1) });
    expect(imageTensor(TWO, { ...PLAIN, channels: 'gray' })).toEqual({ shape: [1, 1, 2], values: Float32Array.of(0.299, 0.114) });
  });

  it('scales by mean and std, one for all channels or one each', () => {
    expect([...imageTensor(TWO, { ...PLAIN, mean: [0.5], std: [0.5] }).values]).toEqual([1, -1, -1, -1, -1, 1]);
    expect([...imageTensor(TWO, { ...PLAIN, mean: [0.5, 0, 0], std: [1, 1, 2] }).values]).toEqual([0.5, -0.5, 0, 0, 0, 0.5]);
  });

  it('resizes between pixel centres, as OpenCV does', () => {
    const ramp: Picture = { width: 2, height: 1, rgb: Uint8Array.of(0, 0, 0, 100, 100, 100) };
    const { values } = imageTensor(ramp, { ...PLAIN, width: 4 });
    expect([...values.subarray(0, 4)].map((value) => Math.round(value * 255))).toEqual([0, 25, 75, 100]);
  });

  it('fits a line: full height, room on the right, squeezed when it is too long', () => {
    const line: ImageInput = { ...PLAIN, width: 8, height: 4, fit: 'line', mean: [0.5], std: [0.5] };
    expect([...imageTensor(gray(1, 1), line).values.subarray(0, 8)]).toEqual([1, 1, 1, 1, 0, 0, 0, 0]);
    expect(imageTensor(gray(100, 1), line).values.every((value) => value === 1)).toBe(true);
  });

  it.each([[10, 64], [70, 96], [4000, 128]])('grows a line of width %i to %i, in steps', (width, expected) => {
    expect(imageTensor(gray(width, 1), { ...PLAIN, width: 64, height: 1, fit: 'line', max_width: 128 }).shape).toEqual([3, 1, expected]);
  });

  it('pads without distortion', () => {
    const { values } = imageTensor(gray(4, 2), { ...PLAIN, width: 2, height: 2, fit: 'pad' });
    expect([...values.subarray(0, 4)]).toEqual([1, 1, 0, 0]);
  });
});
