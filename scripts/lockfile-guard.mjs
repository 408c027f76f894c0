#!/usr/bin/env node
/**
 * onnxruntime-node's install script downloads 300 MB of CUDA libraries from a host that is no package registry, and fails
 * the whole install where that host can't be reached. npm runs install scripts of the packages that package-lock.json
 * marks with hasInstallScript; so the mark goes. (npm from 11.16 on also asks package.json's allowScripts.) `npm install`
 * writes the mark again: this script, run by `prepare`, takes it away.
 *
 *   node scripts/lockfile-guard.mjs            corrects package-lock.json
 *   node scripts/lockfile-guard.mjs --check    exit 1 when it needs correcting
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** Packages whose install scripts must not run. */
const SILENCED = ['onnxruntime-node'];

const path = new URL('../package-lock.json', import.meta.url);
// A published package has no lockfile.
const before = existsSync(path) ? readFileSync(path, 'utf8') : '{}';
const lock = JSON.parse(before);
for (const name of SILENCED) delete lock.packages?.[`node_modules/${name}`]?.hasInstallScript;
const after = `${JSON.stringify(lock, null, 2)}\n`;

if (after.trimEnd() !== before.trimEnd()) {
  if (process.argv.includes('--check')) {
    console.error(`package-lock.json would run install scripts of ${SILENCED.join(', ')}: node scripts/lockfile-guard.mjs`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, after);
  }
}
