/** Tests with real processes run dist/, as users do: built here when a source is newer than it. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export default function buildWhatIsStale(): void {
  if (newestMs('src', 'tsconfig.json', 'tsconfig.build.json') > newestMs('dist/cli/main.js')) npm('run', 'build');
  // --optional: without a compiler the TypeScript fallback serves, and tests of the addon say so.
  if (newestMs('native', 'binding.gyp') > newestMs('build/Release')) npm('run', 'build:native', '--', '--optional');
}

/** The newest modification among files, and files below folders; 0 when none exists. */
function newestMs(...paths: string[]): number {
  return Math.max(0, ...paths.map((path) => join(ROOT, path)).filter(existsSync).flatMap((path) => {
    const entries = statSync(path).isDirectory() ? readdirSync(path, { recursive: true, encoding: 'utf8' }).map((entry) => join(path, entry)) : [path];
    return entries.map((entry) => statSync(entry)).filter((stat) => stat.isFile()).map((stat) => stat.mtimeMs);
  }));
}

function npm(...args: string[]): void {
  execFileSync('npm', ['--silent', ...args], { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
}
