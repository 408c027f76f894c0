import { describe, expect, test } from 'vitest';
import { HELP, parseOptions } from '../../../bench/options.ts';
import { closedLoopRound, FULL_RUN, isFullRun, overloadRound, QUICK_RUN } from '../../../bench/scenarios.ts';

describe('parseOptions', () => {
  test('without arguments asks for everything', () => {
    expect(parseOptions([])).toEqual({ help: false, check: false, selection: FULL_RUN });
  });
  test('takes lists, in the order of the scenarios and without doubles', () => {
    const { selection } = parseOptions(['--servers', 'sluice,handler,sluice', '--format', 'binary', '--connections', '8,16']);
    expect(selection).toMatchObject({ contenders: ['handler', 'sluice'], formats: ['binary'], connections: [8, 16] });
  });
  test('takes numbers', () => {
    const { selection } = parseOptions(['--rounds', '5', '--seconds', '3', '--warm-up', '1']);
    expect(selection).toMatchObject({ rounds: 5, seconds: 3, warmUpSeconds: 1 });
  });
  test('--quick is short and without overload unless asked', () => {
    expect(parseOptions(['--quick']).selection).toEqual(QUICK_RUN);
    expect(parseOptions(['--quick', '--overload', '--seconds', '4']).selection).toMatchObject({ overload: true, seconds: 4, rounds: 1 });
    expect(parseOptions(['--no-overload']).selection.overload).toBe(false);
  });
  test.each([
    [['--servers', 'sluice,nginx'], /--servers takes bare, .*, got "nginx"/],
    [['--format', 'xml'], /--format takes binary, json/],
    [['--connections', '8,0'], /--connections takes a whole number from 1 to 1024, got "0"/],
    [['--connections', ''], /--connections/],
    [['--rounds', '1.5'], /--rounds/],
    [['--seconds', 'ten'], /--seconds/],
    [['--format', 'json', '--overload'], /--overload is offered in the binary format/],
    [['--sconds', '3'], /--sconds/],
  ])('refuses %j', (args, message) => {
    expect(() => parseOptions(args)).toThrow(message);
  });
  test('the help names every option', () => {
    for (const option of ['quick', 'servers', 'format', 'connections', 'rounds', 'seconds', 'warm-up', 'overload', 'check']) {
      expect(HELP).toContain(`--${option}`);
    }
  });
});

describe('scenarios', () => {
  test('servers alternate under each load, after the bare loop', () => {
    const selection = parseOptions(['--servers', 'bare,handler,sluice', '--connections', '8', '--no-overload']).selection;
    expect(closedLoopRound(selection)).toEqual([
      { kind: 'bare', batch: 1 },
      { kind: 'bare', batch: 4 },
      { kind: 'closed', server: 'handler', format: 'binary', connections: 8 },
      { kind: 'closed', server: 'sluice', format: 'binary', connections: 8 },
      { kind: 'closed', server: 'handler', format: 'json', connections: 8 },
      { kind: 'closed', server: 'sluice', format: 'json', connections: 8 },
    ]);
  });
  test('overload goes through the servers at 2 and 5 times, never the bare loop', () => {
    const selection = parseOptions(['--servers', 'bare,fastapi,sluice']).selection;
    expect(overloadRound(selection).map(({ server, multiple }) => `${server} ${multiple}`)).toEqual(['fastapi 2', 'sluice 2', 'fastapi 5', 'sluice 5']);
  });
  test('only a run of everything, three rounds of eight seconds or more, is a full one', () => {
    expect(isFullRun(FULL_RUN)).toBe(true);
    expect(isFullRun({ ...FULL_RUN, rounds: 5, connections: [...FULL_RUN.connections, 16] })).toBe(true);
    for (const part of [{ rounds: 2 }, { seconds: 5 }, { overload: false }, { connections: [8] }, { formats: ['binary'] as const }, { contenders: ['sluice'] as const }]) {
      expect(isFullRun({ ...FULL_RUN, ...part })).toBe(false);
    }
  });
});
