import { describe, expect, test } from 'vitest';
import {
  parsePssBytes, parseStat, readTreeCpuMs, readTreePssBytes, selectTree, sumCpuMs,
} from '../../../bench/system/process-tree.ts';
import type { ProcessStat } from '../../../bench/system/process-tree.ts';

const LINE = '4242 (node (a) b) S 17 4242 4242 0 -1 4194560 5000 6000 0 0 123 45 67 8 20 0 11 0 9000 1000000 2000 184467';

function process_(pid: number, parentPid: number, ownTicks = 0, endedChildrenTicks = 0): ProcessStat {
  return { pid, parentPid, ownTicks, endedChildrenTicks };
}

describe('parseStat', () => {
  test('finds the fields behind a command that holds spaces and parentheses', () => {
    expect(parseStat(LINE)).toEqual({ pid: 4242, parentPid: 17, ownTicks: 168, endedChildrenTicks: 75 });
  });
  test('refuses another text', () => {
    expect(() => parseStat('hello (world)')).toThrow(/not a/);
  });
});

describe('selectTree', () => {
  const processes = [process_(1, 0), process_(30, 20), process_(10, 1), process_(20, 10), process_(21, 10), process_(11, 1)];
  test('takes the root with its descendants, in whatever order they are listed', () => {
    expect(selectTree(10, processes).map(({ pid }) => pid).sort()).toEqual([10, 20, 21, 30]);
  });
  test('is empty when the root is gone', () => {
    expect(selectTree(99, processes)).toEqual([]);
  });
});

test('the CPU time of a tree stays when a child ends: its ticks move into its parent', () => {
  const running = [process_(1, 0, 100), process_(2, 1, 30, 5), process_(3, 2, 7)];
  const grandchildEnded = [process_(1, 0, 100), process_(2, 1, 30, 12)];
  const childEnded = [process_(1, 0, 100, 42)];
  expect([running, grandchildEnded, childEnded].map((tree) => sumCpuMs(tree))).toEqual([1420, 1420, 1420]);
});

test('parsePssBytes takes the line Pss, not those that begin like it', () => {
  expect(parsePssBytes('7f-7f ---p [rollup]\nRss:      4000 kB\nPss:      2500 kB\nPss_Anon:   100 kB\n')).toBe(2_560_000);
  expect(() => parsePssBytes('Rss: 1 kB')).toThrow(/Pss/);
});

test('reads this very process', () => {
  expect(readTreeCpuMs(process.pid)).toBeGreaterThan(0);
  expect(readTreePssBytes(process.pid)).toBeGreaterThan(2 ** 20);
});

test('a process that does not exist is an error, not 0', () => {
  expect(() => readTreeCpuMs(2 ** 30)).toThrow(/gone/);
});
