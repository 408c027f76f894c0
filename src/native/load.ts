/** Finds and loads the addon, or says why not and gives the TypeScript fallback. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { SluiceError } from '../errors.ts';
import { wrapAddon } from './addon.ts';
import type { RawAddon } from './addon.ts';
import type { NativeLoad } from './contract.ts';
import { createFallback } from './fallback/module.ts';

export type NativeChoice = 'auto' | 'addon' | 'fallback';

const REMEDY = 'install g++ 11 or newer, then run `npm run build:native` in the folder of the sluice package';

/** src/native and dist/native both lie two folders below the package root. */
const DEFAULT_PATH = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../build/Release/sluice.node');

const loadFile = createRequire(import.meta.url);

/** The functions that the binary exports, unwrapped: for tests of what the contract does not show. Throws where it does not load. */
export function loadRawAddon(file: string = DEFAULT_PATH): RawAddon {
  return loadFile(file) as RawAddon;
}

/**
 * Loads the addon (`auto`: or else the fallback). `file`: path of the binary; by default build/Release/sluice.node of this package.
 * Throws CONFIG_INVALID when `addon` is asked for and can't be loaded.
 */
export function loadNative(choice: NativeChoice, file: string = DEFAULT_PATH): NativeLoad {
  if (choice === 'fallback') return { module: createFallback(), attempts: ['the TypeScript fallback was asked for'], remedy: null };
  let reason: string;
  if (!existsSync(file)) {
    reason = `${file}: not built`;
  } else {
    try {
      return { module: wrapAddon(loadRawAddon(file)), attempts: [`${file}: loaded`], remedy: null };
    } catch (error) {
      reason = `${file}: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  if (choice === 'addon') throw new SluiceError('CONFIG_INVALID', `the native addon can't be loaded (${reason}); ${REMEDY}`);
  return { module: createFallback(), attempts: [reason, 'the TypeScript fallback is used'], remedy: REMEDY };
}
