/** Reads a models folder: which models and versions it holds, and why what it holds can't serve. One bad model never hides the others. */
import type { Dirent } from 'node:fs';
import { readFile, readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { SluiceError } from '../errors.ts';
import { DEFAULT_DESCRIPTION, ModelJsonError, parseModelJson, type ModelDescription, type VersionPolicy } from './model-json.ts';

const MODEL_FILE = 'model.onnx';
/** What a URL path, a metric label and a file name can all hold as it is. */
const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
/** As in Triton: folders with other names, or with leading zeros, are not versions. */
const VERSION_NAME = /^[1-9]\d{0,8}$/;
/** The version of a model that has a source instead of version folders. */
const SOURCE_VERSION = '1';

/** One version as found. `path` is null when it comes from the model's source. */
export interface FoundVersion {
  readonly version: string;
  readonly path: string | null;
  /** Changes whenever the file does. */
  readonly fingerprint: string;
}

/** A model folder. With a `fault`, it can't serve, and `versions` is empty. */
export interface FoundModel {
  readonly name: string;
  readonly folder: string;
  readonly description: ModelDescription;
  /** Ascending; those that the version policy lets serve. */
  readonly versions: readonly FoundVersion[];
  readonly fault: string | null;
}

/** Thrown where one model's folder is wrong. The message shows no path above the models folder: clients read it. */
class FolderError extends Error {}

/** All models by name. Throws CONFIG_INVALID when there is no such folder. */
export async function scanModels(modelsDir: string): Promise<readonly FoundModel[]> {
  let entries: Dirent[];
  try {
    entries = await readdir(modelsDir, { withFileTypes: true });
  } catch (error) {
    throw new SluiceError('CONFIG_INVALID', `MODELS_DIR=${modelsDir}: ${errorCode(error) === 'ENOENT' ? 'there is no such folder' : `can't be read as a folder (${errorCode(error)})`}`, { cause: error });
  }
  const names = entries.filter((entry) => !entry.name.startsWith('.') && (entry.isDirectory() || entry.isSymbolicLink())).map((entry) => entry.name);
  return Promise.all(names.sort().map((name) => scan(modelsDir, name)));
}

/** One model. Null when there is no folder of this name (or none that could be: the name comes from a client). */
export async function scanModel(modelsDir: string, name: string): Promise<FoundModel | null> {
  if (!MODEL_NAME.test(name)) return null;
  const exists = await stat(join(modelsDir, name)).then((found) => found.isDirectory(), () => false);
  return exists ? scan(modelsDir, name) : null;
}

async function scan(modelsDir: string, name: string): Promise<FoundModel> {
  const folder = join(modelsDir, name);
  let description = DEFAULT_DESCRIPTION;
  try {
    if (!MODEL_NAME.test(name)) throw new FolderError('the folder\'s name is no model name: use letters, digits, ".", "_" and "-", at most 128');
    const root = await realpath(modelsDir);
    await contained(root, folder, name);
    description = await readDescription(root, folder, name);
    const entries = await readdir(folder, { withFileTypes: true });
    const numbers = entries.filter((entry) => VERSION_NAME.test(entry.name) && !entry.isFile()).map((entry) => Number(entry.name)).sort((a, b) => a - b);
    if (description.source !== null) {
      if (numbers.length > 0) throw new FolderError('has both a source in model.json and version folders: keep one of them');
      return { name, folder, description, versions: [{ version: SOURCE_VERSION, path: null, fingerprint: '' }], fault: null };
    }
    if (numbers.length === 0) throw new FolderError(noVersion(name, entries.map((entry) => entry.name)));
    const serving = chosen(numbers, description.versions);
    const versions = await Promise.all(serving.map((version) => readVersion(root, folder, name, String(version))));
    return { name, folder, description, versions, fault: null };
  } catch (error) {
    if (error instanceof FolderError || error instanceof ModelJsonError) return { name, folder, description, versions: [], fault: error.message };
    return { name, folder, description, versions: [], fault: `the folder can't be read (${errorCode(error)})` };
  }
}

async function readDescription(root: string, folder: string, name: string): Promise<ModelDescription> {
  const path = join(folder, 'model.json');
  let text: string;
  try {
    await contained(root, path, `${name}/model.json`);
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return DEFAULT_DESCRIPTION;
    throw error;
  }
  return parseModelJson(text, name);
}

async function readVersion(root: string, folder: string, name: string, version: string): Promise<FoundVersion> {
  const path = join(folder, version, MODEL_FILE);
  const shown = `${name}/${version}/${MODEL_FILE}`;
  try {
    const real = await contained(root, path, shown);
    const found = await stat(real);
    if (!found.isFile()) throw new FolderError(`${shown} is not a file`);
    return { version, path: real, fingerprint: fingerprintOf(real, found) };
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    const others = await readdir(join(folder, version)).catch(() => []);
    const onnx = others.find((file) => file.endsWith('.onnx'));
    throw new FolderError(onnx === undefined ? `${shown} is missing` : `${shown} is missing: rename ${name}/${version}/${onnx}`);
  }
}

/** What tells one state of a file from another without reading it. */
export function fingerprintOf(path: string, found: { readonly size: number; readonly mtimeMs: number; readonly ino: number }): string {
  return `${path}:${found.size}:${found.mtimeMs}:${found.ino}`;
}

/** The real path, which must lie in the models folder whatever links lead there. */
async function contained(root: string, path: string, shown: string): Promise<string> {
  const real = await realpath(path);
  if (!real.startsWith(root.endsWith(sep) ? root : root + sep)) throw new FolderError(`${shown} is a link that leads out of the models folder: put the file there, or name it by "source": "file:…" in model.json`);
  return real;
}

function chosen(ascending: readonly number[], policy: VersionPolicy): readonly number[] {
  return policy === 'all' ? ascending : ascending.slice(-policy.latest);
}

function noVersion(name: string, files: readonly string[]): string {
  const onnx = files.find((file) => file.endsWith('.onnx'));
  if (onnx !== undefined) return `has no version folder: move ${name}/${onnx} to ${name}/1/${MODEL_FILE}`;
  return `has no version folder: put the model at ${name}/1/${MODEL_FILE}, or give a "source" in ${name}/model.json`;
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error);
}
