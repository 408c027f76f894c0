import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ADDON_FILE, addon } from './addon.ts';

const FIXTURES = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures');

describe.skipIf(addon === null)('shared memory', () => {
  const { shared } = addon ?? { shared: null };
  if (shared === null) return;

  it('makes memory that nobody can shrink, grow or unseal', () => {
    const { fd, buffer } = shared.create(65536);
    expect(buffer.byteLength).toBe(65536);
    new Uint8Array(buffer)[65535] = 1;
    for (const bytes of [0, 4096, 131072]) expect(() => { ftruncateSync(fd, bytes); }).toThrow(/EPERM/);
    // a child that inherits it can't either
    const truncate = spawnSync(process.execPath, ['-e', 'require("fs").ftruncateSync(3, 0)'], { stdio: ['ignore', 'ignore', 'pipe', fd], encoding: 'utf8' });
    expect(truncate.stderr).toMatch(/EPERM/);
    expect(new Uint8Array(buffer)[65535]).toBe(1);
  });

  it('leaves no name in any filesystem', () => {
    shared.create(4096);
    expect(readFileSync('/proc/self/maps', 'utf8')).toMatch(/\/memfd:sluice-arena \(deleted\)/);
  });

  it('stays mapped after its descriptor is closed', () => {
    const { fd, buffer } = shared.create(4096);
    const other = new Uint8Array(shared.map(fd, 4096));
    closeSync(fd);
    new Uint8Array(buffer)[7] = 42;
    expect(other[7]).toBe(42);
    expect(() => shared.map(fd, 4096)).toThrow(RangeError);
  });

  it('refuses wrong arguments with RangeError or TypeError', () => {
    const { fd, buffer } = shared.create(4096);
    for (const bytes of [0, -1, 1.5, NaN, 2 ** 60]) expect(() => shared.create(bytes)).toThrow(RangeError);
    expect(() => shared.map(fd, 8192)).toThrow(/has 4096 bytes, not 8192/);
    expect(() => shared.map(-1, 4096)).toThrow(RangeError);
    for (const offset of [2, 4096, 4094, -4]) {
      expect(() => shared.futexWait(buffer, offset, 0, 0)).toThrow(RangeError);
      expect(() => shared.futexWake(buffer, offset, 1)).toThrow(RangeError);
    }
    expect(() => shared.futexWait(buffer, 0, 0, -1)).toThrow(RangeError);
    expect(() => shared.futexWait(new Uint8Array(8) as unknown as ArrayBuffer, 0, 0, 0)).toThrow(TypeError);
    expect(() => { shared.ring(1_000_000); }).toThrow(RangeError);
  });

  it('waits only while the word is as expected, and says when time ran out', () => {
    const { buffer } = shared.create(4096);
    const words = new Int32Array(buffer);
    words[4] = -5;
    expect(shared.futexWait(buffer, 16, 0, 10_000)).toBe(true); // it is not 0: no wait
    expect(shared.futexWait(buffer, 16, -5, 0)).toBe(false);
    expect(shared.futexWait(buffer, 16, -5, 5)).toBe(false);
    expect(shared.futexWake(buffer, 16, 10)).toBe(0);
  });

  it('wakes another process through inherited memory, and is rung by it', async () => {
    const rounds = 200;
    const { fd, buffer } = shared.create(65536);
    const child = spawn(process.execPath, [path.join(FIXTURES, 'futex-child.cjs'), ADDON_FILE, String(rounds)], { stdio: ['ignore', 'inherit', 'inherit', fd, 'pipe'] });
    // 'close' comes after the last byte of every pipe
    const ended = once(child, 'close');
    let rung = 0;
    child.stdio[4]?.on('data', (data: Buffer) => {
      rung += data.byteLength;
    });
    const words = new Int32Array(buffer);
    const bytes = new Uint8Array(buffer, 4096, 1024);
    for (let round = 1; round <= rounds; round += 1) {
      bytes.fill(round % 256);
      Atomics.store(words, 0, round);
      shared.futexWake(buffer, 0, 1);
      while (Atomics.load(words, 1) < round) expect(shared.futexWait(buffer, 4, round - 1, 20_000)).toBe(true);
      expect(bytes.every((byte) => byte === (round + 100) % 256)).toBe(true);
    }
    expect(await ended).toEqual([0, null]);
    expect(rung).toBe(rounds);
  });

  it('never blocks on a full pipe, and not on one without a reader', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'sluice-ring-'));
    const fifo = path.join(folder, 'fifo');
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
    const both = openSync(fifo, 'r+');
    for (let i = 0; i < 70_000; i += 1) shared.ring(both); // a pipe holds 65,536 bytes
    closeSync(both);
    rmSync(folder, { recursive: true });
  });

  it('ends a child with its parent', async () => {
    // front → middle → host: killing the middle must end the host, which only waits
    const host = `const raw = require(${JSON.stringify(ADDON_FILE)}); raw.dieWithParent(); process.stdout.write(String(process.pid) + '\\n'); setInterval(() => {}, 1000);`;
    const middle = spawn(process.execPath, ['-e', `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(host)}], { stdio: ['ignore', 'inherit', 'inherit'] })`], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(middle.stdout, 'data')) as [Buffer];
    const hostPid = Number(line.toString());
    expect(readFileSync(`/proc/${String(hostPid)}/comm`, 'utf8')).toMatch(/node/);
    middle.kill('SIGKILL');
    // the host holds the other end of this pipe: it closes when the host is gone
    await once(middle.stdout, 'close');
    // …which is a moment before the kernel calls it a zombie
    await expect.poll(() => stateOf(hostPid)).toMatch(/^(gone|Z|X)$/);
  });
});

/** A process's state letter in /proc, or `gone`. */
function stateOf(pid: number): string {
  try {
    return readFileSync(`/proc/${String(pid)}/stat`, 'utf8').replace(/^.*\) /s, '').charAt(0);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOENT' });
    return 'gone';
  }
}
