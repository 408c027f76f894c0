/**
 * The shape of src/, held: which file may import which, where each outside library lives, who reads the environment, and
 * how long a file may be. Every rule is a function from the source files to its violations, so that each is also shown to fail.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { describeSource, readSourceFiles, type SourceFile } from './support/source-files.ts';

/** Files that join stages: the app, the process entry and its log, and the command line. */
const JOINERS = /^src\/(app\.ts|main\.ts|logger\.ts|version\.ts|cli\/)/;
/** What runs in a device host is another process: it joins the native module and the arena for itself. */
const HOST = 'src/devices/host/';
const HOST_MAY_IMPORT = /^src\/(native|arena)\//;
const MAX_LINES = 300;
/** A test file may tell one more story. */
const MAX_TEST_LINES = 350;

const LIBRARY_PLACES: Readonly<Record<string, RegExp>> = {
  'fastify': /^src\/http\//,
  'prom-client': /^src\/metrics\//,
  'onnxruntime-node': /^src\/devices\/host\/engine\.ts$/,
  'piscina': /^src\/devices\/host\//,
  'zod': /^src\/(config|repository|http)\//,
  'commander': /^src\/cli\//,
  'jpeg-js': /^src\/cli\//,
  'pngjs': /^src\/cli\//,
  'pino': /^src\/(logger\.ts$|metrics\/)/,
  'pino-pretty': /^src\/logger\.ts$/,
  'eventsource-parser': /^src\/cli\//,
  'undici': /^src\/repository\//,
};
const ENVIRONMENT_READERS = /^src\/(config|cli)\//;

/** `src/http/server.ts` → `http`; a file right in src/ is a stage of its own name, without the ending. */
function stageOf(path: string): string {
  const [, first = ''] = path.split('/');
  return first.replace(/\.ts$/, '');
}

function forbiddenImports(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, imports }) =>
    imports.filter(({ target, outside }) => !outside && !mayImport(path, target)).map(({ target }) => `${path} imports ${target}`));
}

function mayImport(path: string, target: string): boolean {
  if (!target.startsWith('src/')) return target.endsWith('.json') && JOINERS.test(path);
  const [from, to] = [stageOf(path), stageOf(target)];
  if (from === to) return from !== 'devices' || path.startsWith(HOST) || !target.startsWith(HOST);
  if (to === 'contracts' || to === 'errors') return from !== 'errors';
  if (from === 'contracts' || from === 'errors') return false;
  if (target === 'src/native/contract.ts' || JOINERS.test(path)) return !target.startsWith(HOST) || path.startsWith(HOST);
  return path.startsWith(HOST) && HOST_MAY_IMPORT.test(target);
}

function misplacedLibraries(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, imports }) =>
    imports.filter(({ target, outside }) => outside && LIBRARY_PLACES[target]?.test(path) === false).map(({ target }) => `${path} imports ${target}`));
}

function unplacedLibraries(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, imports }) =>
    imports.filter(({ target, outside }) => outside && !target.startsWith('node:') && !(target in LIBRARY_PLACES)).map(({ target }) => `${path} imports ${target}`));
}

/** Import cycles as paths, each once. Types count too: a cycle of types is a cycle in what one must read to understand a file. */
function cycles(files: readonly SourceFile[]): string[] {
  const edges = new Map(files.map(({ path, imports }) => [path, imports.filter(({ outside }) => !outside).map(({ target }) => target)]));
  const done = new Set<string>();
  const found: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start !== -1) found.push([...trail.slice(start), path].join(' → '));
    if (start !== -1 || done.has(path)) return;
    for (const target of edges.get(path) ?? []) walk(target, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) walk(path, []);
  return found;
}

function environmentReaders(files: readonly SourceFile[]): string[] {
  return files.filter(({ path, readsEnvironment }) => readsEnvironment && !ENVIRONMENT_READERS.test(path)).map(({ path }) => path);
}

/** Files of the front that reach a file of the device host, through however many imports. */
function reachesHost(files: readonly SourceFile[]): string[] {
  return files.filter(({ path }) => !path.startsWith(HOST)).flatMap(({ path, imports }) =>
    imports.filter(({ target, typeOnly }) => target.startsWith(HOST) && !typeOnly).map(({ target }) => `${path} imports ${target}`));
}

function tooLong(files: readonly SourceFile[]): string[] {
  return files.filter(({ path, lines }) => lines > (path.startsWith('test/') ? MAX_TEST_LINES : MAX_LINES)).map(({ path, lines }) => `${path} has ${String(lines)} lines`);
}

describe('architecture', () => {
  const source = readSourceFiles('src');
  const everything = [...source, ...readSourceFiles('test'), ...readSourceFiles('bench')];

  test('a stage imports contracts, errors and itself; app, main and cli join the stages; contracts import nothing else', () => {
    expect(source.length).toBeGreaterThan(10);
    expect(forbiddenImports(source)).toEqual([]);
  });
  test('src/ holds sources only, and nothing that was compiled from them', () => {
    const files = readdirSync(new URL('../src', import.meta.url), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(files.map(({ name }) => name).filter((name) => !name.endsWith('.ts') || name.endsWith('.d.ts'))).toEqual([]);
  });

  test('no import cycle', () => expect(cycles(source)).toEqual([]));
  test('each outside library has one place', () => {
    expect(misplacedLibraries(source)).toEqual([]);
    expect(unplacedLibraries(source)).toEqual([]);
  });
  test('what is imported is installed with the package', () => {
    const { dependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { dependencies: Record<string, string> };
    expect(Object.keys(LIBRARY_PLACES).filter((library) => !(library in dependencies))).toEqual([]);
  });
  test('only config, and the command line for its own flags, read the environment', () => expect(environmentReaders(source)).toEqual([]));
  test('the front never imports what runs in a device host', () => expect(reachesHost(source)).toEqual([]));
  test(`no file is longer than ${String(MAX_LINES)} lines`, () => expect(tooLong(everything)).toEqual([]));
});

describe('the rules fail where they should', () => {
  const file = (path: string, text: string) => describeSource(path, text);

  test.each([
    ['src/http/a.ts', "import { x } from '../batching/b.ts'"],
    ['src/http/a.ts', "export * from '../batching/b.ts'"],
    ['src/http/a.ts', "import type { X } from '../batching/b.ts'"],
    ['src/http/a.ts', "const x = await import('../app.ts')"],
    ['src/http/a.ts', "import { load } from '../native/load.ts'"],
    ['src/contracts/a.ts', "import type { X } from '../http/b.ts'"],
    ['src/errors.ts', "import type { X } from './contracts/b.ts'"],
    ['src/app.ts', "import { x } from './devices/host/main.ts'"],
    ['src/devices/supervisor.ts', "import { x } from './host/main.ts'"],
    ['src/devices/host/main.ts', "import { x } from '../../http/server.ts'"],
    ['src/http/a.ts', "import { x } from '../../test/support/x.ts'"],
  ])('%s: %s', (path, text) => expect(forbiddenImports([file(path, text)])).toHaveLength(1));

  test.each([
    ['src/http/a.ts', "import { x } from './codec/b.ts'; import type { Y } from '../contracts/y.ts'; import { Z } from '../errors.ts'"],
    ['src/http/a.ts', "import type { NativeModule } from '../native/contract.ts'"],
    ['src/app.ts', "import { x } from './http/server.ts'; import { y } from './batching/y.ts'"],
    ['src/devices/host/main.ts', "import { load } from '../../native/load.ts'; import { m } from '../protocol.ts'"],
    ['src/cli/main.ts', "import manifest from '../../package.json' with { type: 'json' }"],
  ])('allowed: %s: %s', (path, text) => expect(forbiddenImports([file(path, text)])).toEqual([]));

  test('a cycle through three files', () => {
    const ring = [file('src/a/1.ts', "import './2.ts'"), file('src/a/2.ts', "import './3.ts'"), file('src/a/3.ts', "import './1.ts'")];
    expect(cycles(ring)).toEqual(['src/a/1.ts → src/a/2.ts → src/a/3.ts → src/a/1.ts']);
  });
  test('a library in another place, and one without a place', () => {
    expect(misplacedLibraries([file('src/batching/a.ts', "import { z } from 'zod/v4'")])).toEqual(['src/batching/a.ts imports zod']);
    expect(misplacedLibraries([file('src/devices/host/pool.ts', "import 'onnxruntime-node'")])).toHaveLength(1);
    expect(unplacedLibraries([file('src/http/a.ts', "import x from 'left-pad'")])).toEqual(['src/http/a.ts imports left-pad']);
  });
  test('reading the environment', () => {
    expect(environmentReaders([file('src/http/a.ts', "const x = process.env['PORT']")])).toHaveLength(1);
    expect(environmentReaders([file('src/http/a.ts', "const { env } = process"), file('src/http/b.ts', "import { env } from 'node:process'")])).toHaveLength(2);
  });
  test('a long file', () => expect(tooLong([file('src/a.ts', 'x\n'.repeat(MAX_LINES + 1))])).toHaveLength(1));
});
