import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { addon } from './addon.ts';

const SOURCE = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures/fake-nvml.c');
const folder = mkdtempSync(path.join(tmpdir(), 'sluice-nvml-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const COMPILER = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);
if (COMPILER === undefined) console.warn('SKIPPED: no C compiler for the fake libnvidia-ml.so');

function build(mode: string): string {
  const file = path.join(folder, `libnvidia-ml-${mode}.so`);
  const result = spawnSync(COMPILER ?? 'cc', ['-shared', '-fPIC', `-DMODE=${mode}`, SOURCE, '-o', file], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(result.stderr);
  return file;
}

describe.skipIf(addon === null || COMPILER === undefined)('NVML', () => {
  const ask = (file: string): unknown => addon?.raw.nvml(file);

  it('tells count, name, UUID, memory, utilisation and driver version', () => {
    const device = (index: number): object => ({ index, name: `NVIDIA Fake ${String(index)}`, uuid: `GPU-0000-${String(index)}`, memoryTotalBytes: 85899345920, memoryUsedBytes: 1073741824 * (index + 1), utilizationPercent: 37 + index });
    const file = build('HEALTHY');
    for (let i = 0; i < 3; i += 1) expect(ask(file)).toEqual({ found: true, driverVersion: '580.95.05', devices: [device(0), device(1)] });
  });

  it('says why there is none', () => {
    expect(ask(build('NO_DRIVER'))).toEqual({ found: false, reason: 'no NVIDIA driver: nvmlInit: Driver Not Loaded' });
    expect(ask(build('NO_GPU'))).toEqual({ found: false, reason: 'NVIDIA driver 580.95.05 is loaded but has no usable GPU' });
    expect(ask(build('NO_COUNT'))).toEqual({ found: false, reason: 'NVIDIA driver 580.95.05 does not list its GPUs: nvmlDeviceGetCount: Unknown Error' });
    expect(ask(path.join(folder, 'missing.so'))).toEqual({ found: false, reason: expect.stringMatching(/^no NVIDIA driver: .*missing\.so: cannot open/) as string });
  });

  it('leaves out a lost GPU, and shows what a device does not tell as unknown', () => {
    expect(ask(build('ODD'))).toEqual({
      found: true, driverVersion: 'unknown', devices: [
        { index: 0, name: 'unknown', uuid: 'GPU-0000-0', memoryTotalBytes: 0, memoryUsedBytes: 0, utilizationPercent: null },
        { index: 2, name: 'unknown', uuid: 'GPU-0000-2', memoryTotalBytes: 85899345920, memoryUsedBytes: 0, utilizationPercent: null },
      ],
    });
  });

  it('refuses a library that is something else', () => {
    const libc = spawnSync(COMPILER ?? 'cc', ['-print-file-name=libm.so.6'], { encoding: 'utf8' }).stdout.trim();
    expect(ask(libc)).toEqual({ found: false, reason: 'no NVIDIA driver: the library has no nvmlInit_v2' });
  });

  it('looks in the usual places without a path', () => {
    expect(addon?.raw.nvml()).toSatisfy((report: { found: boolean }) => typeof report.found === 'boolean');
  });
});
