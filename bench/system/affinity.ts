import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** "0-2,7" → [0, 1, 2, 7]: the list format of cpuset(7). */
export function parseCpuList(list: string): number[] {
  return list.trim().split(',').flatMap((range) => {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range);
    if (match === null) throw new Error(`not a list of CPUs: ${list}`);
    const first = Number(match[1]);
    const last = Number(match[2] ?? first);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/**
 * Keeps this process, and all that it starts, on the first `count` cores that it may use: the bars are stated for 2
 * cores with the generator beside.
 *
 * @throws Error when the machine has fewer, or more but no `taskset` (util-linux).
 */
export function limitToCores(count: number): void {
  if (availableParallelism() < count) throw new Error(`the benchmark needs ${count} cores, this process may use ${availableParallelism()}`);
  if (availableParallelism() === count) return;
  const status = readFileSync('/proc/self/status', 'utf8');
  const allowed = parseCpuList(/^Cpus_allowed_list:\s*(.+)$/m.exec(status)?.[1] ?? '');
  execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', allowed.slice(0, count).join(','), String(process.pid)], { stdio: 'ignore' });
}
