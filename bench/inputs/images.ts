import { createRandom } from './random.ts';

/** What the text-orientation model takes: one row of FP32 [3, 48, 192], 110,592 bytes. */
export const IMAGE_CHANNELS = 3;
export const IMAGE_HEIGHT = 48;
export const IMAGE_WIDTH = 192;
export const IMAGE_VALUES = IMAGE_CHANNELS * IMAGE_HEIGHT * IMAGE_WIDTH;
export const IMAGE_BYTES = IMAGE_VALUES * Float32Array.BYTES_PER_ELEMENT;

const PIXELS = IMAGE_HEIGHT * IMAGE_WIDTH;

/**
 * Draws `count` different pictures of something like a line of text: strokes on a baseline, of random contrast, under
 * random noise; every second one is turned by 180°. The answers then spread over the whole range between "upright" and
 * "upside down", so that an answer given to the wrong request is seen.
 *
 * @returns rows of [3, 48, 192], one after another, normalised to [-1, 1] as PaddleOCR does it. Like a resampled picture
 * they hold hardly two equal values, so that a row printed as JSON is as long as those of real clients: about 540 KB.
 */
export function drawImages(count: number, seed: number): Float32Array {
  const random = createRandom(seed);
  const images = new Float32Array(count * IMAGE_VALUES);
  for (let index = 0; index < count; index += 1) {
    const turned = index % 2 === 1;
    drawImage(images.subarray(index * IMAGE_VALUES, (index + 1) * IMAGE_VALUES), turned, random);
  }
  return images;
}

function drawImage(image: Float32Array, turned: boolean, random: () => number): void {
  const ink = drawStrokes(random);
  const contrast = 0.2 + 0.5 * random();
  const noise = 0.1 + 0.3 * random();
  for (let channel = 0; channel < IMAGE_CHANNELS; channel += 1) {
    for (let pixel = 0; pixel < PIXELS; pixel += 1) {
      const drawn = ink[turned ? PIXELS - 1 - pixel : pixel] ?? 0;
      const level = 0.8 - contrast * drawn + noise * (random() - 0.5);
      image[channel * PIXELS + pixel] = (Math.min(1, Math.max(0, level)) - 0.5) / 0.5;
    }
  }
}

/** Letters as pairs of an upright stroke and a bar; their feet stand on one baseline, their heads differ. */
function drawStrokes(random: () => number): Float32Array {
  const ink = new Float32Array(PIXELS);
  const baseline = 38;
  for (let x = 4 + Math.floor(random() * 8); x < IMAGE_WIDTH - 14; x += 12 + Math.floor(random() * 6)) {
    const top = random() < 0.35 ? 8 : 18;
    const bar = top + Math.floor(random() * (baseline - top));
    fill(ink, x, top, 2 + Math.floor(random() * 2), baseline - top);
    fill(ink, x, bar, 6 + Math.floor(random() * 4), 3);
    if (random() < 0.6) fill(ink, x + 7, top, 2, baseline - top);
  }
  return ink;
}

function fill(ink: Float32Array, left: number, top: number, width: number, height: number): void {
  for (let y = top; y < top + height; y += 1) ink.fill(1, y * IMAGE_WIDTH + left, y * IMAGE_WIDTH + left + width);
}
