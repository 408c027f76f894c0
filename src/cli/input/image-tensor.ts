/** From a picture to one row of a model's image input, as its model.json describes it. */
import type { ImageInput } from '../../repository/model-json.ts';
import type { Picture } from './picture.ts';

export interface ImageTensor {
  /** Of one row, without the batch axis. */
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Wider pictures grow in such steps, so that requests fall into few shapes. */
const WIDTH_STEP = 32;
/** ITU-R BT.601, as OpenCV and PIL turn colours into grey. */
const GRAY_WEIGHTS = [0.299, 0.587, 0.114] as const;

/** Resizes (bilinear, pixel centres at .5, as OpenCV's INTER_LINEAR), orders the channels and scales. */
export function imageTensor(picture: Picture, input: ImageInput): ImageTensor {
  const size = targetSize(picture, input);
  const channels = input.channels === 'gray' ? 1 : 3;
  const plane = size.width * size.height;
  const planar = input.layout === 'NCHW';
  const values = new Float32Array(plane * channels);
  const pixel = resampler(picture, size.drawnWidth, size.drawnHeight);
  for (let y = 0; y < size.drawnHeight; y += 1) {
    for (let x = 0; x < size.drawnWidth; x += 1) {
      const color = ordered(pixel(x, y), input.channels);
      const at = y * size.width + x;
      for (let channel = 0; channel < channels; channel += 1) {
        const scaled = ((color[channel] ?? 0) / 255 - of(input.mean, channel)) / of(input.std, channel);
        values[planar ? channel * plane + at : at * channels + channel] = scaled;
      }
    }
  }
  return { shape: planar ? [channels, size.height, size.width] : [size.height, size.width, channels], values };
}

interface Size {
  readonly width: number;
  readonly height: number;
  /** What the picture itself takes of it, from the top left. */
  readonly drawnWidth: number;
  readonly drawnHeight: number;
}

function targetSize(picture: Picture, { width, height, max_width: maxWidth, fit }: ImageInput): Size {
  if (fit === 'stretch') return { width, height, drawnWidth: width, drawnHeight: height };
  if (fit === 'pad') {
    const scale = Math.min(width / picture.width, height / picture.height);
    return { width, height, drawnWidth: Math.max(1, Math.round(picture.width * scale)), drawnHeight: Math.max(1, Math.round(picture.height * scale)) };
  }
  const wanted = Math.ceil((height * picture.width) / picture.height);
  const grown = maxWidth === undefined ? width : Math.min(maxWidth, Math.max(width, Math.ceil(wanted / WIDTH_STEP) * WIDTH_STEP));
  return { width: grown, height, drawnWidth: Math.min(grown, wanted), drawnHeight: height };
}

/** Red, green and blue of the picture scaled to width × height, 0 to 255 with fractions. The same array each time. */
function resampler({ width: sourceWidth, height: sourceHeight, rgb }: Picture, width: number, height: number): (x: number, y: number) => readonly number[] {
  const color = [0, 0, 0];
  return (x, y) => {
    const sx = Math.min(sourceWidth - 1, Math.max(0, ((x + 0.5) * sourceWidth) / width - 0.5));
    const sy = Math.min(sourceHeight - 1, Math.max(0, ((y + 0.5) * sourceHeight) / height - 0.5));
    const left = Math.floor(sx);
    const top = Math.floor(sy);
    const right = Math.min(sourceWidth - 1, left + 1);
    const bottom = Math.min(sourceHeight - 1, top + 1);
    const fx = sx - left;
    const fy = sy - top;
    for (let channel = 0; channel < 3; channel += 1) {
      const upper = at(left, top, channel) * (1 - fx) + at(right, top, channel) * fx;
      const lower = at(left, bottom, channel) * (1 - fx) + at(right, bottom, channel) * fx;
      color[channel] = upper * (1 - fy) + lower * fy;
    }
    return color;
  };

  function at(x: number, y: number, channel: number): number {
    return rgb[(y * sourceWidth + x) * 3 + channel] ?? 0;
  }
}

function ordered(color: readonly number[], channels: ImageInput['channels']): readonly number[] {
  const [red = 0, green = 0, blue = 0] = color;
  if (channels === 'gray') return [red * GRAY_WEIGHTS[0] + green * GRAY_WEIGHTS[1] + blue * GRAY_WEIGHTS[2]];
  return channels === 'bgr' ? [blue, green, red] : color;
}

/** One value for all channels, or one each. */
function of(values: readonly number[], channel: number): number {
  return values[channel] ?? values[0] ?? 0;
}
