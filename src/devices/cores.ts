/** How many cores this process may use: CPU affinity and the cgroup's quota, whichever is less. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { posix } from 'node:path';

/** Reads a small text file; null when there is none. */
export type ReadText = (path: string) => string | null;

const CGROUP_ROOT = '/sys/fs/cgroup';

/**
 * Cores that the cgroup's CPU quota allows, e.g. 1.5; null when there is no quota.
 * A quota of a parent binds its children, so every level up to the root counts.
 * Version 2: `cpu.max` holds "max 100000" or "150000 100000". Version 1: `cpu.cfs_quota_us` and `cpu.cfs_period_us`.
 */
function cgroupQuota(read: ReadText): number | null {
  const quotas = (read('/proc/self/cgroup') ?? '').split('\n').flatMap((line) => {
    const [hierarchy, controllers, ...rest] = line.split(':');
    const path = rest.join(':');
    if (hierarchy === '0' && controllers === '') return levels(path).map((level) => quotaV2(read(posix.join(CGROUP_ROOT, level, 'cpu.max'))));
    if (controllers?.split(',').includes('cpu') !== true) return [];
    return levels(path).map((level) => {
      const folder = posix.join(CGROUP_ROOT, 'cpu', level);
      return quotaV1(read(posix.join(folder, 'cpu.cfs_quota_us')), read(posix.join(folder, 'cpu.cfs_period_us')));
    });
  });
  const bounds = quotas.filter((quota) => quota !== null);
  return bounds.length === 0 ? null : Math.min(...bounds);
}

/** Whole cores for this process, at least 1. Half a core more is not worth a thread: the front needs it. */
export function availableCores(parallelism: number = availableParallelism(), read: ReadText = readText): number {
  const quota = cgroupQuota(read);
  return Math.max(1, Math.min(parallelism, quota === null ? parallelism : Math.floor(quota)));
}

/** `/a/b` → `/a/b`, `/a`, `/`: inside a container the path may name a folder that only the host has; the root is always there. */
function levels(path: string): string[] {
  const found: string[] = [];
  for (let level = posix.normalize(path); ; level = posix.dirname(level)) {
    found.push(level);
    if (level === '/' || level === '.') return found;
  }
}

function quotaV2(text: string | null): number | null {
  const [quota, period] = (text ?? '').trim().split(/\s+/);
  return ratio(quota, period);
}

function quotaV1(quota: string | null, period: string | null): number | null {
  return ratio(quota?.trim(), period?.trim());
}

/** Null for "max", -1, nonsense and a missing file. */
function ratio(quota: string | undefined, period: string | undefined): number | null {
  const cores = Number(quota) / Number(period);
  return Number.isFinite(cores) && cores > 0 ? cores : null;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // A missing file is the normal case: most levels of most hierarchies set no quota.
    return null;
  }
}
