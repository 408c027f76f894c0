import { readdirSync, readFileSync } from 'node:fs';

/** CPU time of one process as /proc/<pid>/stat counts it, in clock ticks (proc(5)). */
export interface ProcessStat {
  readonly pid: number;
  readonly parentPid: number;
  /** utime + stime: its own threads, living and dead. */
  readonly ownTicks: number;
  /** cutime + cstime: children that ended and were waited for, with theirs. */
  readonly endedChildrenTicks: number;
}

/** sysconf(_SC_CLK_TCK): 100 on every Linux that Node has a build for. */
const TICKS_PER_SECOND = 100;

/** Parses /proc/<pid>/stat. The command stands in parentheses and may itself hold spaces and parentheses. */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): number => Number(fields[number - 3]); // numbered from 1 as in proc(5); 3 is the state
  const stat = {
    pid: Number.parseInt(text, 10),
    parentPid: field(4),
    ownTicks: field(14) + field(15),
    endedChildrenTicks: field(16) + field(17),
  };
  if (Object.values(stat).some(Number.isNaN)) throw new Error(`not a /proc/<pid>/stat line: ${text.slice(0, 80)}`);
  return stat;
}

/** The root and every living descendant of it. */
export function selectTree(rootPid: number, processes: readonly ProcessStat[]): ProcessStat[] {
  const childrenOf = new Map<number, ProcessStat[]>();
  for (const process of processes) {
    const siblings = childrenOf.get(process.parentPid);
    if (siblings === undefined) childrenOf.set(process.parentPid, [process]);
    else siblings.push(process);
  }
  const tree = processes.filter(({ pid }) => pid === rootPid);
  for (const { pid } of tree) tree.push(...(childrenOf.get(pid) ?? [])); // an array grows under its iterator
  return tree;
}

/**
 * CPU milliseconds that a tree has used since its root started. When a child ends, its ticks move from its own line to
 * its parent's, so the sum never goes back.
 */
export function sumCpuMs(tree: readonly ProcessStat[]): number {
  const ticks = tree.reduce((sum, { ownTicks, endedChildrenTicks }) => sum + ownTicks + endedChildrenTicks, 0);
  return (ticks * 1000) / TICKS_PER_SECOND;
}

/** Proportional set size in bytes out of /proc/<pid>/smaps_rollup: pages shared by n processes count 1/n in each. */
export function parsePssBytes(text: string): number {
  const match = /^Pss:\s+(\d+) kB$/m.exec(text);
  if (match === null) throw new Error('no Pss line in smaps_rollup');
  return Number(match[1]) * 1024;
}

/** CPU milliseconds used so far by the process and its descendants. */
export function readTreeCpuMs(rootPid: number): number {
  return sumCpuMs(readTree(rootPid));
}

/** Sum of the PSS of the process and its descendants, in bytes. */
export function readTreePssBytes(rootPid: number): number {
  return readTree(rootPid).reduce((sum, { pid }) => {
    const rollup = readOrNull(`/proc/${pid}/smaps_rollup`);
    return sum + (rollup === null || rollup === '' ? 0 : parsePssBytes(rollup));
  }, 0);
}

function readTree(rootPid: number): ProcessStat[] {
  const processes: ProcessStat[] = [];
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? readOrNull(`/proc/${name}/stat`) : null;
    if (stat !== null) processes.push(parseStat(stat));
  }
  const tree = selectTree(rootPid, processes);
  if (tree.length === 0) throw new Error(`process ${rootPid} is gone`);
  return tree;
}

/** Null for a process that ended between listing and reading it. */
function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
}
