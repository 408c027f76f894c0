import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ChildProcesses } from './child-processes.ts';

const INSTALL_TIMEOUT_MS = 300_000;
const OLDEST_PYTHON: readonly [number, number] = [3, 10];

/**
 * Makes a virtual environment with exactly what a requirements file pins, or finds the one made before.
 *
 * @returns the path of its interpreter.
 * @throws Error with the reason when there is no fit Python, or the package index can't be reached.
 */
export async function ensureVirtualEnvironment(children: ChildProcesses, folder: string, requirements: string): Promise<string> {
  const python = join(folder, 'bin/python');
  const stamp = join(folder, 'requirements.sha256');
  const wanted = createHash('sha256').update(readFileSync(requirements)).digest('hex');
  if (existsSync(stamp) && existsSync(python) && readFileSync(stamp, 'utf8') === wanted) return python;

  const base = findPython();
  rmSync(folder, { recursive: true, force: true });
  await children.run({ file: base, args: ['-m', 'venv', folder] }, INSTALL_TIMEOUT_MS);
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary=:all:', '--requirement', requirements];
  await children.run({ file: python, args: install }, INSTALL_TIMEOUT_MS);
  writeFileSync(stamp, wanted);
  return python;
}

/** "Python 3.11.7" → [3, 11]; null for anything else. */
export function parsePythonVersion(text: string): readonly [number, number] | null {
  const match = /^Python (\d+)\.(\d+)/.exec(text);
  return match === null ? null : [Number(match[1]), Number(match[2])];
}

function findPython(): string {
  let version: readonly [number, number] | null;
  try {
    version = parsePythonVersion(execFileSync('python3', ['--version'], { encoding: 'utf8' }));
  } catch (error) {
    throw new Error('there is no python3 here', { cause: error });
  }
  const [major, minor] = OLDEST_PYTHON;
  if (version === null || version[0] < major || (version[0] === major && version[1] < minor)) {
    throw new Error(`python3 must be ${major}.${minor} or newer, found ${version?.join('.') ?? 'an unknown version'}`);
  }
  return 'python3';
}
