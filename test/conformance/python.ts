/** Where the real clients are (test/conformance/setup.sh puts them there), and how their scripts are run. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const VENV = fileURLToPath(new URL('../../.cache/conformance/venv/', import.meta.url));
const SCRIPTS = fileURLToPath(new URL('.', import.meta.url));
const run = promisify(execFile);

/** One line of checks.py. `fault` is a traceback; null means that the check passed. */
export interface Check {
  readonly group: string;
  readonly name: string;
  readonly fault: string | null;
}

/** Why the clients can't be run here; null when they can. */
export function whyNoClients(): string | null {
  return existsSync(join(VENV, 'installed.txt')) ? null : 'the real clients are not installed: run test/conformance/setup.sh';
}

/** Runs `script url`; rejects when it dies or takes longer than timeoutMs. */
export async function runChecks(script: string, url: string, timeoutMs: number): Promise<Check[]> {
  const { stdout } = await run(join(VENV, 'bin/python'), ['-B', join(SCRIPTS, script), url], { timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 });
  return stdout.trim().split('\n').map((line) => JSON.parse(line) as Check);
}

/** Runs perf_analyzer at concurrency 1 and 4; its rows go to csvPath. Rejects with its output when its exit code is not 0. */
export async function runPerfAnalyzer(url: string, model: string, format: 'binary' | 'json', csvPath: string, timeoutMs: number): Promise<void> {
  const cudart = readdirSync(join(VENV, 'lib')).map((python) => join(VENV, 'lib', python, 'site-packages/nvidia/cuda_runtime/lib')).join(':');
  await run(join(VENV, 'bin/perf_analyzer'), [
    '-m', model, '-u', url.replace('http://', ''), '-i', 'http',
    ...(model.startsWith('identity') ? ['--shape', 'x:16'] : ['--shape', 'x:3,48,192']),
    `--input-tensor-format=${format}`, `--output-tensor-format=${format}`,
    '--concurrency-range', '1:4:3', '--measurement-mode', 'count_windows', '--measurement-request-count', '40', '--stability-percentage', '90',
    '-f', csvPath,
  ], { timeout: timeoutMs, env: { PATH: process.env['PATH'], LD_LIBRARY_PATH: cudart } });
}
