import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createMemory, openMemory } from '../../../src/arena/memory.ts';
import { fallback, modules } from './support.ts';

describe.each(modules.map((module) => ({ kind: module.kind, module })))('tensor memory on $kind', ({ module }) => {
  it('shows published bytes to whoever opens the same descriptor', () => {
    const memory = createMemory(module, 65536);
    const opened = openMemory(memory.kind, memory.fd, memory.byteLength, module);
    const region = { offset: 4096, byteLength: 100 };
    const staged = memory.stage(region);
    staged.fill(9);
    memory.publish(region, staged);
    expect(opened.view(region)).toEqual(new Uint8Array(100).fill(9));
    expect(opened.view({ offset: 0, byteLength: 4096 })).toEqual(new Uint8Array(4096));
    const answer = opened.stage({ offset: 65535, byteLength: 1 });
    answer[0] = 5;
    opened.publish({ offset: 65535, byteLength: 1 }, answer);
    expect(memory.view({ offset: 65535, byteLength: 1 })[0]).toBe(5);
    opened.close(); // an inherited descriptor is not its own: others of the process use it
    expect(openMemory(memory.kind, memory.fd, memory.byteLength, module).view(region)[0]).toBe(9);
    memory.close();
    memory.close();
    expect(() => openMemory(memory.kind, memory.fd, memory.byteLength, module)).toThrow();
  });

  it('is live where it is mapped, a copy where it is a file', () => {
    const memory = createMemory(module, 4096);
    const region = { offset: 0, byteLength: 4 };
    const view = memory.view(region);
    memory.publish(region, Object.assign(memory.stage(region), [1, 2, 3, 4]));
    expect(view[0]).toBe(memory.kind === 'mapped' ? 1 : 0);
    expect(memory.view(region).buffer === view.buffer).toBe(memory.kind === 'mapped');
    memory.close();
  });

  it('throws RangeError outside', () => {
    const memory = createMemory(module, 8192);
    for (const region of [{ offset: 8192, byteLength: 1 }, { offset: 1, byteLength: 8192 }, { offset: -1, byteLength: 1 }, { offset: 0, byteLength: -1 }, { offset: 2 ** 52, byteLength: 1 }]) {
      expect(() => memory.view(region)).toThrow(RangeError);
      expect(() => memory.stage(region)).toThrow(RangeError);
    }
    expect(memory.view({ offset: 8192, byteLength: 0 }).byteLength).toBe(0);
    memory.close();
    expect(() => createMemory(module, 0)).toThrow(RangeError);
    expect(() => createMemory(module, 2 ** 50)).toThrow(RangeError);
  });

  it('does not open what is smaller, or something else', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'sluice-memory-'));
    const file = path.join(folder, 'small');
    writeFileSync(file, 'small');
    const fd = openSync(file, 'r+');
    expect(() => openMemory(module.shared === null ? 'file' : 'mapped', fd, 4096, module)).toThrow(/has 5 bytes/);
    if (module.shared !== null) expect(() => openMemory('mapped', fd, 5, module)).toThrow(/not a sealed memfd/);
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });

  it('needs the addon to open mapped memory', () => {
    expect(() => openMemory('mapped', 0, 4096, fallback)).toThrow(/addon/);
  });
});
