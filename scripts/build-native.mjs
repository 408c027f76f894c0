#!/usr/bin/env node
/**
 * Builds the addon with nothing but a C++ compiler: no Python, no node-gyp, no downloads. binding.gyp is the one list of
 * sources and flags (plain `node-gyp rebuild` takes it too); Node-API's headers come from the npm package node-api-headers.
 *
 *   node scripts/build-native.mjs              build/Release/sluice.node; exit 1 when that fails
 *   node scripts/build-native.mjs --optional   the same, but a failure is one message and exit 0 (npm install runs this)
 *   node scripts/build-native.mjs --sanitize   build/Sanitize/sluice.node with AddressSanitizer and UBSan, warnings are errors
 *   … --force                                  builds even when nothing has changed
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const REQUIRED_NAPI_VERSION = 8;
const MAX_JOBS = 2;

class BuildError extends Error {}

/** The one target of binding.gyp: gyp's syntax, kept to the part that is JSON too. */
function readTarget() {
  const gyp = JSON.parse(readFileSync(path.join(ROOT, 'binding.gyp'), 'utf8'));
  return gyp.targets[0];
}

/** Where node_api.h is: the npm package, else beside this Node, else the system's. */
function findHeaders() {
  const candidates = [];
  try {
    const require = createRequire(import.meta.url);
    candidates.push(path.join(path.dirname(require.resolve('node-api-headers/package.json')), 'include'));
  } catch {
    candidates.push(path.join(ROOT, 'node_modules/node-api-headers/include')); // named in the message, should none be found
  }
  candidates.push(path.join(path.dirname(path.dirname(process.execPath)), 'include/node'), '/usr/include/node');
  const found = candidates.find((folder) => existsSync(path.join(folder, 'node_api.h')));
  if (found === undefined) throw new BuildError(`node_api.h is in none of ${candidates.join(', ')}; run npm install`);
  return found;
}

/** $CXX, or the first compiler that answers. */
function findCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
  for (const candidate of candidates) {
    const [command, ...args] = candidate.split(' ');
    const version = spawnSync(command, [...args, '--version'], { encoding: 'utf8' });
    if (version.status === 0) return { command, args, version: version.stdout.split('\n')[0] };
  }
  throw new BuildError(`no C++ compiler (tried ${candidates.join(', ')})`);
}

function hashInputs(parts, files) {
  const hash = createHash('sha256').update(JSON.stringify(parts));
  for (const file of files) hash.update(file).update(readFileSync(path.join(ROOT, file)));
  return hash.digest('hex');
}

function compile(compiler, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(compiler.command, [...compiler.args, ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('error', (error) => reject(new BuildError(error.message)));
    child.on('close', (code) => {
      if (code === 0) return resolve(output);
      const cause = output.split('\n').find((line) => line.includes('error')) ?? `it ended with ${code}`;
      reject(Object.assign(new BuildError(`${compiler.version} failed: ${cause.trim()}`), { output }));
    });
  });
}

async function runParallel(tasks, jobs) {
  const queue = [...tasks];
  const lane = async () => {
    for (let task = queue.shift(); task !== undefined; task = queue.shift()) await task();
  };
  await Promise.all(Array.from({ length: jobs }, lane));
}

async function build({ sanitize, force }) {
  if (process.platform !== 'linux') throw new BuildError(`the addon is for Linux, this is ${process.platform}`);
  if (Number(process.versions.napi) < REQUIRED_NAPI_VERSION) {
    throw new BuildError(`Node-API ${REQUIRED_NAPI_VERSION} is needed, this Node has ${process.versions.napi}`);
  }
  const target = readTarget();
  const headers = findHeaders();
  const compiler = findCompiler();
  const flags = [
    ...target.cflags_cc,
    ...target.defines.map((define) => `-D${define}`),
    `-DNODE_GYP_MODULE_NAME=${target.target_name}`,
    '-fPIC',
    '-isystem',
    headers,
    ...(sanitize ? ['-g', '-O1', '-Werror', '-fno-omit-frame-pointer', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'] : ['-DNDEBUG']),
    ...(process.env.CI ? ['-Werror'] : []),
  ];
  const folder = path.join(ROOT, 'build', sanitize ? 'Sanitize' : 'Release');
  const output = path.join(folder, `${target.target_name}.node`);
  const stamp = path.join(folder, `${target.target_name}.hash`);
  const nativeFiles = readdirSync(path.join(ROOT, 'native')).sort().map((name) => path.join('native', name));
  const hash = hashInputs([compiler.version, flags, target.libraries, process.versions.napi, process.arch], ['binding.gyp', ...nativeFiles]);
  if (!force && existsSync(output) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return { output, built: false };

  // A folder of its own per run, and a rename at the end: two builds at once don't meet, and a running server keeps its file.
  const objects = path.join(folder, `obj.${process.pid}`);
  mkdirSync(objects, { recursive: true });
  try {
    const objectOf = (source) => path.join(objects, `${path.basename(source)}.o`);
    const jobs = Math.min(MAX_JOBS, availableParallelism());
    await runParallel(target.sources.map((source) => async () => {
      const warnings = await compile(compiler, [...flags, '-c', source, '-o', objectOf(source)]);
      if (warnings) process.stderr.write(warnings);
    }), jobs);
    const linked = path.join(objects, 'linked.node');
    await compile(compiler, [
      ...(sanitize ? ['-fsanitize=address,undefined'] : []),
      '-shared', '-pthread', ...target.sources.map(objectOf), '-o', linked, ...target.libraries,
    ]);
    renameSync(linked, output);
    writeFileSync(stamp, hash);
  } finally {
    rmSync(objects, { recursive: true, force: true });
  }
  return { output, built: true };
}

const options = new Set(process.argv.slice(2));
const optional = options.has('--optional');
try {
  const result = await build({ sanitize: options.has('--sanitize'), force: options.has('--force') });
  console.log(`${path.relative(ROOT, result.output)} ${result.built ? 'built' : 'is up to date'}`);
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  if (!optional && error.output) process.stderr.write(error.output);
  console.error(`sluice: the native addon was not built: ${error.message}.`);
  console.error('sluice: install g++ 11 or newer (Debian and Ubuntu: apt-get install g++), then run: npm run build:native');
  if (optional) console.error('sluice: until then it uses its TypeScript fallback: the same answers, more CPU per request.');
  process.exitCode = optional ? 0 : 1;
}
