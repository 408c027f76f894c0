/** From a source in model.json to a file on this machine. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, realpath, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { isAbsolute, join, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { download, type DownloadSettings } from './download.ts';
import { printSource, type SourceLocation } from './source-location.ts';

export interface SourceSettings extends DownloadSettings {
  /** Where hf: sources come from: https://huggingface.co, or a mirror of it. */
  readonly hubUrl: string;
}

/** Told while a source is downloaded; `totalBytes` is null when the server doesn't say. */
export type FetchProgress = (receivedBytes: number, totalBytes: number | null) => void;

/** Thrown for a source that gives no file. The message names the source as model.json does, and no path of this machine. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
}

export interface SourceRequest {
  readonly source: SourceLocation;
  readonly sha256: string | null;
  /** The model's folder: relative file: paths start here, and npm: packages are looked for from here up. */
  readonly folder: string;
  readonly onProgress: FetchProgress;
  readonly signal: AbortSignal;
}

/** The absolute path of the source's file, downloaded where needed, its sha256 checked where given. Throws SourceError. */
export async function fetchSource(request: SourceRequest, settings: SourceSettings): Promise<string> {
  const { source, sha256, folder } = request;
  const shown = printSource(source);
  if (source.kind === 'url' || source.kind === 'hf') {
    if (sha256 === null) throw new SourceError(`${shown} needs a sha256`);
    const url = source.kind === 'url' ? source.url : hubFile(settings.hubUrl, source.repository, source.revision, source.path);
    return download({ url, sha256, onProgress: request.onProgress, signal: request.signal }, settings).catch((error: unknown) => {
      throw new SourceError(`${shown}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    });
  }
  const path = await localFile(source, folder);
  if (sha256 !== null) {
    const actual = await sha256OfFile(path);
    if (actual !== sha256) throw new SourceError(`${shown} has sha256 ${actual}, but model.json says ${sha256}`);
  }
  return path;
}

/** The lines of a text file that a source names: labels. Throws SourceError. */
export async function readLines(source: SourceLocation, folder: string): Promise<readonly string[]> {
  const text = await readFile(await localFile(source, folder), 'utf8');
  return text.replace(/\r?\n$/, '').split(/\r?\n/);
}

/** Lowercase hexadecimal sha256 of a file, read as a stream. */
async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function localFile(source: SourceLocation, folder: string): Promise<string> {
  const path = source.kind === 'npm' ? await packageFile(source.packageName, source.path, folder) : source.kind === 'file' ? resolve(folder, source.path) : null;
  if (path === null) throw new SourceError(`${printSource(source)} is not a local file`);
  if (source.kind === 'file' && !isAbsolute(source.path)) await containedFile(path, resolve(folder, '..'), printSource(source));
  const found = await stat(path).catch(() => null);
  if (found?.isFile() !== true) throw new SourceError(`${printSource(source)}: there is no such file`);
  return path;
}

/**
 * The file of an installed package. Node's own `resolve` can't be asked: packages may export neither the file nor their
 * package.json. So its search path is walked: from the model's folder up, then from Sluice itself up.
 */
async function packageFile(packageName: string, path: string, folder: string): Promise<string> {
  const roots = [join(folder, 'model.json'), import.meta.url].flatMap((from) => createRequire(from).resolve.paths(packageName) ?? []);
  for (const root of roots) {
    const home = join(root, packageName);
    const installed = await stat(join(home, 'package.json')).then((found) => found.isFile(), () => false);
    if (!installed) continue;
    await containedFile(join(home, path), home, `npm:${packageName}/${path}`);
    return join(home, path);
  }
  throw new SourceError(`npm:${packageName}/${path}: the package is not installed: npm install ${packageName}`);
}

async function containedFile(path: string, root: string, shown: string): Promise<void> {
  const real = await realpath(path).catch(() => null);
  if (real === null) throw new SourceError(`${shown}: there is no such file`);
  if (!real.startsWith((await realpath(root)) + sep)) throw new SourceError(`${shown} leads out of ${shown.startsWith('npm:') ? 'its package' : 'the models folder'}`);
}

function hubFile(hubUrl: string, repository: string, revision: string, path: string): string {
  return `${hubUrl.replace(/\/+$/, '')}/${repository}/resolve/${encodeURIComponent(revision)}/${path.split('/').map(encodeURIComponent).join('/')}`;
}
