/** Model repositories on disk, for one test each. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface ModelFolder {
  readonly path: string;
  /** Writes `<name>/<version>/model.onnx` and returns its path. */
  add(name: string, bytes: Uint8Array, version?: number): string;
  /** Writes `<name>/model.json`. */
  describe(name: string, json: unknown): void;
  remove(): void;
}

export function makeModelFolder(): ModelFolder {
  const path = mkdtempSync(join(tmpdir(), 'sluice-models-'));
  return {
    path,
    add(name, bytes, version = 1) {
      const folder = join(path, name, String(version));
      mkdirSync(folder, { recursive: true });
      const file = join(folder, 'model.onnx');
      writeFileSync(file, bytes);
      return file;
    },
    describe(name, json) {
      mkdirSync(join(path, name), { recursive: true });
      writeFileSync(join(path, name, 'model.json'), typeof json === 'string' ? json : JSON.stringify(json));
    },
    remove() {
      rmSync(path, { recursive: true, force: true });
    },
  };
}
