/** Where the program of a device host lies. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SluiceError } from '../errors.ts';

/** Absolute path of the compiled host/main.js: beside this file in dist/, and in dist/ when this file runs as TypeScript. */
export function hostEntry(from: string = import.meta.url): string {
  const path = fileURLToPath(new URL(from.endsWith('.ts') ? '../../dist/devices/host/main.js' : './host/main.js', from));
  if (!existsSync(path)) throw new SluiceError('INTERNAL', 'the program of the device hosts is missing: run `npm run build`');
  return path;
}
