#!/usr/bin/env node
/**
 * Sluice's package carries onnxruntime-node with it (bundleDependencies): installed from the registry, its install script
 * downloads CUDA libraries from a host that is no package registry, and the install fails where that can't be reached.
 * Around `npm pack`, its package.json is one without scripts and with only the files that Linux needs (45 instead of
 * 290 MiB); afterwards it is as it was. A pack that was broken off leaves nothing that the next one doesn't put right.
 *
 *   node scripts/bundle.mjs prune      before packing (prepack)
 *   node scripts/bundle.mjs restore    after packing (postpack)
 */
import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../node_modules/onnxruntime-node/', import.meta.url));
const manifest = `${folder}package.json`;
const original = `${folder}package.json.original`;

const FILES = ['dist', 'bin/napi-v6/linux/x64', 'bin/napi-v6/linux/arm64'];

function prune() {
  const json = JSON.parse(readFileSync(existsSync(original) ? original : manifest, 'utf8'));
  delete json.scripts;
  delete json.devDependencies;
  json.files = FILES;
  json.os = ['linux'];
  if (!existsSync(original)) copyFileSync(manifest, original);
  // By renaming: who reads it meanwhile finds one or the other. And the folder is newer than npm's cached view of it then,
  // which does not know `files`.
  writeFileSync(`${manifest}.new`, `${JSON.stringify(json, null, 2)}\n`);
  renameSync(`${manifest}.new`, manifest);
}

function restore() {
  if (existsSync(original)) renameSync(original, manifest);
}

const command = process.argv[2];
if (command === 'prune') prune();
else if (command === 'restore') restore();
else throw new Error(`usage: bundle.mjs prune|restore, not ${command ?? 'nothing'}`);
