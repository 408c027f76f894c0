import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../paths.ts';

/** What numbers depend on. Nothing that names the machine or its owner. */
export interface MachineFacts {
  readonly cpu: string;
  /** Cores of the machine. */
  readonly cores: number;
  /** Cores that the benchmark used, generator included. */
  readonly coresUsed: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly onnxruntime: string;
  readonly commit: string;
  /** 1, 5 and 15 minute load average before the first trial. */
  readonly loadAverage: readonly number[];
  /** Share of all cores that others used during one second before the first trial. */
  readonly busyBefore: number;
}

export function readMachineFacts(busyBefore: number): MachineFacts {
  const model = cpus()[0]?.model.trim() ?? 'unknown CPU';
  return {
    cpu: model,
    cores: cpus().length,
    coresUsed: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    onnxruntime: readVersion('onnxruntime-node'),
    commit: readCommit(),
    loadAverage: loadavg().map((load) => Math.round(load * 100) / 100),
    busyBefore,
  };
}

/** Total and idle time of all cores since boot out of /proc/stat, in ticks. Idle includes waiting for I/O. */
export function parseCpuTimes(text: string): { readonly total: number; readonly idle: number } {
  const fields = /^cpu +(.+)$/m.exec(text)?.[1]?.split(' ').map(Number) ?? [];
  const [user = NaN, nice = 0, system = 0, idle = NaN, ioWait = 0, irq = 0, softIrq = 0, steal = 0] = fields;
  return { total: user + nice + system + idle + ioWait + irq + softIrq + steal, idle: idle + ioWait };
}

/** Share of all cores that are in use right now, over one second: an idle machine is below 0.05. */
export async function measureBusyShare(): Promise<number> {
  const before = parseCpuTimes(readFileSync('/proc/stat', 'utf8'));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const after = parseCpuTimes(readFileSync('/proc/stat', 'utf8'));
  return 1 - (after.idle - before.idle) / (after.total - before.total);
}

/** "AMD EPYC 7763 64-Core Processor", 2 → "amd-epyc-7763-64-core-processor-2-cores". */
export function machineSlug(cpu: string, coresUsed: number): string {
  const words = cpu.toLowerCase().replace(/\((r|tm)\)/g, '').match(/[a-z0-9.]+/g) ?? ['unknown'];
  return `${words.join('-')}-${coresUsed}-cores`;
}

function readVersion(packageName: string): string {
  const manifest = readFileSync(join(ROOT, 'node_modules', packageName, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

/** Short commit, with "+" when the working tree differs from it; "unknown" outside a git checkout. */
function readCommit(): string {
  try {
    const git = (...args: string[]): string => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+');
  } catch {
    return 'unknown';
  }
}
