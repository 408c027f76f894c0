#!/usr/bin/env node
/**
 * Runs the addon's tests on a build with AddressSanitizer and UBSan (g++ or clang++ with their runtimes).
 * The runtime must be in the process before anything else: Node itself is not built with it, hence LD_PRELOAD.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const ADDON = path.join(ROOT, 'build/Sanitize/sluice.node');

function run(command, args, env = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env } });
  if (status === 0) return;
  console.error(`${path.basename(command)} ${args.join(' ')}: ${error?.message ?? signal ?? `exit code ${status}`}`);
  process.exit(1);
}

/** The runtime that the build is linked to, as the dynamic linker finds it. */
function runtimes() {
  const { stdout } = spawnSync('ldd', [ADDON], { encoding: 'utf8' });
  const found = [...stdout.matchAll(/lib(?:asan|ubsan|clang_rt)\S* => (\S+)/g)].map(([, file]) => file).filter((file) => existsSync(file));
  if (found.length === 0) throw new Error('the sanitized addon is linked to no shared runtime: build it with g++');
  return found;
}

run(process.execPath, [path.join(ROOT, 'scripts/build-native.mjs'), '--sanitize']);
run(process.execPath, [
  // V8 reserves address space for WebAssembly that the sanitizer's shadow already has
  '--disable-wasm-trap-handler',
  path.join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--project', 'unit', '--pool', 'forks', '--maxWorkers', '1', 'test/contract/native', 'test/native',
  ...process.argv.slice(2),
], {
  LD_PRELOAD: runtimes().join(':'),
  SLUICE_TEST_ADDON: ADDON,
  // leaks: Node frees nothing at exit. Limits: a test asks for more memory than there is, and expects an error for it.
  ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1:abort_on_error=1',
  UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
});
