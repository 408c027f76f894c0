import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { scanModel, scanModels } from '../../../src/repository/scan.ts';
import { makeModelFolder, type ModelFolder } from '../../support/model-folder.ts';

const BYTES = Uint8Array.of(1, 2, 3);

describe('scan', () => {
  let folder: ModelFolder;
  beforeEach(() => {
    folder = makeModelFolder();
  });
  afterEach(() => {
    folder.remove();
  });

  const fault = async (name: string): Promise<string | null | undefined> => (await scanModel(folder.path, name))?.fault;

  it('finds models without any configuration, by name, and passes over everything else', async () => {
    folder.add('b', BYTES);
    folder.add('a', BYTES, 3);
    mkdirSync(join(folder.path, '.git'));
    writeFileSync(join(folder.path, 'README.md'), '');
    const found = await scanModels(folder.path);
    expect(found.map(({ name, versions, fault: why }) => [name, versions.map(({ version }) => version), why])).toEqual([['a', ['3'], null], ['b', ['1'], null]]);
  });

  it.each([
    [undefined, ['10']],
    [{ latest: 2 }, ['9', '10']],
    ['all', ['2', '9', '10']],
  ])('with versions %j serves %j, as numbers, not as text', async (versions, expected) => {
    for (const version of [10, 9, 2]) folder.add('m', BYTES, version);
    mkdirSync(join(folder.path, 'm', '007'));
    mkdirSync(join(folder.path, 'm', 'old'));
    if (versions !== undefined) folder.describe('m', { versions });
    expect((await scanModel(folder.path, 'm'))?.versions.map(({ version }) => version)).toEqual(expected);
  });

  it('gives a model with a source version 1', async () => {
    folder.describe('m', { source: 'file:/somewhere/model.onnx' });
    expect((await scanModel(folder.path, 'm'))?.versions).toEqual([{ version: '1', path: null, fingerprint: '' }]);
  });

  it('says what is wrong, and what to do', async () => {
    mkdirSync(join(folder.path, 'empty'));
    mkdirSync(join(folder.path, 'flat'));
    writeFileSync(join(folder.path, 'flat', 'net.onnx'), BYTES);
    mkdirSync(join(folder.path, 'renamed', '1'), { recursive: true });
    writeFileSync(join(folder.path, 'renamed', '1', 'net.onnx'), BYTES);
    mkdirSync(join(folder.path, 'folder', '1', 'model.onnx'), { recursive: true });
    mkdirSync(join(folder.path, 'no name'));
    folder.add('both', BYTES);
    folder.describe('both', { source: 'file:x' });
    folder.describe('broken', '{');
    folder.describe('typo', { sourse: 'x' });
    expect(await fault('empty')).toBe('has no version folder: put the model at empty/1/model.onnx, or give a "source" in empty/model.json');
    expect(await fault('flat')).toBe('has no version folder: move flat/net.onnx to flat/1/model.onnx');
    expect(await fault('renamed')).toBe('renamed/1/model.onnx is missing: rename renamed/1/net.onnx');
    expect(await fault('folder')).toBe('folder/1/model.onnx is not a file');
    expect(await fault('both')).toBe('has both a source in model.json and version folders: keep one of them');
    expect(await fault('broken')).toMatch(/^model\.json is not JSON/);
    expect(await fault('typo')).toBe('model.json: unknown key "sourse" (did you mean "source"?)');
    expect((await scanModels(folder.path)).find(({ name }) => name === 'no name')?.fault).toMatch(/^the folder's name is no model name/);
  });

  it('one bad model never hides the others', async () => {
    folder.describe('bad', '{');
    folder.add('good', BYTES);
    expect((await scanModels(folder.path)).map(({ name, fault: why }) => [name, why === null])).toEqual([['bad', false], ['good', true]]);
  });

  it('follows no link out of the models folder, and shows no path', async () => {
    const outside = makeModelFolder();
    try {
      const secret = outside.add('secret', BYTES);
      symlinkSync(join(outside.path, 'secret'), join(folder.path, 'linked'));
      mkdirSync(join(folder.path, 'inner', '1'), { recursive: true });
      symlinkSync(secret, join(folder.path, 'inner', '1', 'model.onnx'));
      folder.add('json', BYTES);
      symlinkSync('/etc/hostname', join(folder.path, 'json', 'model.json'));
      for (const name of ['linked', 'inner', 'json']) {
        expect(await fault(name)).toMatch(/leads out of the models folder/);
        expect(await fault(name)).not.toContain(outside.path);
      }
    } finally {
      outside.remove();
    }
  });

  it('follows links inside the models folder: Kubernetes mounts look so', async () => {
    folder.add('..data', BYTES);
    symlinkSync('..data', join(folder.path, 'm'));
    expect(await fault('m')).toBeNull();
  });

  it.each(['..', '../other', 'a/b', '', '.hidden', 'x'.repeat(200)])('finds no model called %j, which only a client could ask for', async (name) => {
    expect(await scanModel(folder.path, name)).toBeNull();
  });

  it('names the setting when there is no such folder', async () => {
    await expect(scanModels(join(folder.path, 'nowhere'))).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: `MODELS_DIR=${folder.path}/nowhere: there is no such folder` });
    const file = folder.add('m', BYTES);
    await expect(scanModels(file)).rejects.toThrow(/can't be read as a folder \(ENOTDIR\)/);
  });

  it("changes a version's fingerprint when its file changes", async () => {
    folder.add('m', BYTES);
    const before = (await scanModel(folder.path, 'm'))?.versions[0]?.fingerprint;
    expect((await scanModel(folder.path, 'm'))?.versions[0]?.fingerprint).toBe(before);
    folder.add('m', Uint8Array.of(1, 2, 3, 4));
    expect((await scanModel(folder.path, 'm'))?.versions[0]?.fingerprint).not.toBe(before);
  });
});
