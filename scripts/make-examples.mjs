/**
 * Draws the two pictures in examples/: a line of handwriting-like text on paper, once upright and once turned by 180°.
 * Letters are strokes of a round pen: lines and arcs on a grid, drawn by their distance so that edges are smooth.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import pngjs from 'pngjs';

const { PNG } = pngjs;

/** Pixels per unit of the letters' grid: x-height 5, ascender 7.5, descender −2.5. */
const SCALE = 6;
const PEN_RADIUS = 0.55;
const LETTER_GAP = 2;
const WORD_GAP = 3.4;
const MARGIN = 2.2;
const ASCENDER = 7.5;
const DESCENDER = 2.5;
const INK = [38, 44, 78];
const PAPER = [236, 229, 214];

/** Points along an ellipse's arc, angles in degrees, counter-clockwise from the right. */
function arc(cx, cy, rx, ry, from, to) {
  const steps = 24;
  return Array.from({ length: steps + 1 }, (_, step) => {
    const angle = ((from + ((to - from) * step) / steps) * Math.PI) / 180;
    return [cx + rx * Math.cos(angle), cy + ry * Math.sin(angle)];
  });
}

const bowl = arc(2.4, 2.5, 2.4, 2.5, 0, 360);
const arch = [...arc(2, 3, 2, 2, 180, 0), [4, 0]];

/** Strokes of each letter, and how wide it is. */
const LETTERS = {
  O: { width: 6.4, strokes: [arc(3.2, 3.75, 3.2, 3.75, 0, 360)] },
  M: { width: 6.4, strokes: [[[0, 0], [0, 7.5], [3.2, 2], [6.4, 7.5], [6.4, 0]]] },
  a: { width: 4.8, strokes: [bowl, [[4.8, 5], [4.8, 0]]] },
  d: { width: 4.8, strokes: [bowl, [[4.8, 7.5], [4.8, 0]]] },
  e: { width: 4.8, strokes: [[[0, 2.6], ...arc(2.4, 2.5, 2.4, 2.5, 0, 310)]] },
  f: { width: 2.8, strokes: [[...arc(2.6, 6.1, 1.4, 1.4, 80, 180), [1.2, 0]], [[0, 5], [2.6, 5]]] },
  g: { width: 4.8, strokes: [bowl, [[4.8, 5], ...arc(2.4, -0.4, 2.4, 2.1, 0, -150)]] },
  h: { width: 4, strokes: [[[0, 7.5], [0, 0]], arch] },
  i: { width: 0, strokes: [[[0, 5], [0, 0]], [[0, 7.2], [0, 7.3]]] },
  l: { width: 0, strokes: [[[0, 7.5], [0, 0]]] },
  n: { width: 4, strokes: [[[0, 5], [0, 0]], arch] },
  o: { width: 4.8, strokes: [bowl] },
  p: { width: 4.8, strokes: [bowl, [[0, 5], [0, -2.5]]] },
  t: { width: 2.8, strokes: [[[1.2, 7], ...arc(2.5, 1.3, 1.3, 1.3, 180, 290)], [[0, 5], [2.6, 5]]] },
  w: { width: 6, strokes: [[[0, 5], [1.5, 0], [3, 5], [4.5, 0], [6, 5]]] },
};

/** All segments [x0, y0, x1, y1] of a line of text, y upwards, and its width. */
function layOut(text) {
  const segments = [];
  let x = 0;
  for (const character of text) {
    if (character === ' ') {
      x += WORD_GAP - LETTER_GAP;
      continue;
    }
    const { width, strokes } = LETTERS[character];
    for (const stroke of strokes) {
      for (let point = 1; point < stroke.length; point += 1) segments.push([stroke[point - 1][0] + x, stroke[point - 1][1], stroke[point][0] + x, stroke[point][1]]);
    }
    x += width + LETTER_GAP;
  }
  return { segments, width: x - LETTER_GAP };
}

function distance(px, py, [x0, y0, x1, y1]) {
  const dx = x1 - x0;
  const dy = y1 - y0;
  const along = Math.min(1, Math.max(0, ((px - x0) * dx + (py - y0) * dy) / (dx * dx + dy * dy)));
  return Math.hypot(px - x0 - along * dx, py - y0 - along * dy);
}

/** A small generator of random numbers in [0, 1): the same pictures each time (mulberry32). */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}

function draw(text, turned, seed) {
  const { segments, width: textWidth } = layOut(text);
  const width = Math.round((textWidth + 2 * MARGIN) * SCALE);
  const height = Math.round((ASCENDER + DESCENDER + 2 * MARGIN) * SCALE);
  const png = new PNG({ width, height, colorType: 2 });
  const random = randomFrom(seed);
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const x = (column + 0.5) / SCALE - MARGIN;
      const y = ASCENDER + MARGIN - (row + 0.5) / SCALE;
      const nearest = segments.reduce((least, segment) => Math.min(least, distance(x, y, segment)), Infinity);
      const ink = Math.min(1, Math.max(0, (PEN_RADIUS - nearest) * SCALE + 0.5));
      const light = 1 - 0.1 * (column / width) - 0.06 * (row / height) + 0.03 * (random() - 0.5);
      const at = turned ? (height - 1 - row) * width + (width - 1 - column) : row * width + column;
      for (let channel = 0; channel < 3; channel += 1) png.data[at * 4 + channel] = Math.round((PAPER[channel] * (1 - ink) + INK[channel] * ink) * light);
      png.data[at * 4 + 3] = 255;
    }
  }
  return PNG.sync.write(png, { colorType: 2 });
}

const folder = new URL('../examples/', import.meta.url);
mkdirSync(folder, { recursive: true });
writeFileSync(new URL('upright.png', folder), draw('Open the gate', false, 1));
writeFileSync(new URL('upside-down.png', folder), draw('Mind the flow', true, 2));
