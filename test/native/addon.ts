/** The addon's binary for tests of what only it can do, or null with the reason printed. */
import { loadNative, loadRawAddon } from '../../src/native/load.ts';
import type { RawAddon } from '../../src/native/addon.ts';
import type { SharedMemory } from '../../src/native/contract.ts';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** scripts/test-native-sanitized.mjs points this at the sanitized build. */
export const ADDON_FILE = process.env['SLUICE_TEST_ADDON'] ?? path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../build/Release/sluice.node');

function load(): { raw: RawAddon; shared: SharedMemory } | null {
  try {
    const { shared } = loadNative('addon', ADDON_FILE).module;
    if (shared === null) throw new Error('the addon has no shared memory');
    return { raw: loadRawAddon(ADDON_FILE), shared };
  } catch (error) {
    console.warn(`SKIPPED: ${String(error)}`);
    return null;
  }
}

export const addon = load();
