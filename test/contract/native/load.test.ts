import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadNative } from '../../../src/native/load.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-load-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('loadNative', () => {
  const missing = path.join(folder, 'sluice.node');
  const broken = path.join(folder, 'broken.node');
  writeFileSync(broken, 'not a shared library');

  it('names the file, the reason and the remedy when the addon is asked for and missing', () => {
    expect(() => loadNative('addon', missing)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(`${missing}: not built`) as string }) as Error);
    expect(() => loadNative('addon', missing)).toThrow(/npm run build:native/);
    expect(() => loadNative('addon', broken)).toThrow(/broken\.node: .*(invalid ELF header|file too short)/);
  });

  it('falls back with every attempt and its reason in auto', () => {
    const load = loadNative('auto', broken);
    expect(load.module.kind).toBe('fallback');
    expect(load.attempts).toHaveLength(2);
    expect(load.attempts[0]).toMatch(/broken\.node: ./);
    expect(load.remedy).toMatch(/g\+\+/);
  });

  it('gives the fallback when asked for, without a remedy', () => {
    const load = loadNative('fallback');
    expect([load.module.kind, load.module.shared, load.remedy]).toEqual(['fallback', null, null]);
    expect(load.module.nvml()).toEqual({ found: false, reason: expect.stringContaining('addon') as string });
  });
});
