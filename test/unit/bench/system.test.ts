import { describe, expect, test } from 'vitest';
import { parseStartScript } from '../../../bench/servers.ts';
import { parseCpuList } from '../../../bench/system/affinity.ts';
import { ChildProcesses } from '../../../bench/system/child-processes.ts';
import { machineSlug, parseCpuTimes } from '../../../bench/system/machine.ts';
import { parsePythonVersion } from '../../../bench/system/python.ts';
import { parseListeningLine, startServer } from '../../../bench/system/server-process.ts';

test.each([['0-1', [0, 1]], ['3', [3]], ['0-2,7\n', [0, 1, 2, 7]]])('CPU list %j', (list, cpus) => {
  expect(parseCpuList(list)).toEqual(cpus);
});
test.each(['', 'a-b', '1-'])('CPU list %j is refused', (list) => {
  expect(() => parseCpuList(list)).toThrow(/not a list/);
});

test('CPU times: waiting for I/O is idle, steal is not', () => {
  expect(parseCpuTimes('cpu  10 1 5 100 4 0 2 3 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n')).toEqual({ total: 125, idle: 104 });
});

test.each([
  ['AMD EPYC', 2, 'amd-epyc-2-cores'],
  ['Intel(R) Xeon(R) CPU @ 2.20GHz', 4, 'intel-xeon-cpu-2.20ghz-4-cores'],
])('slug of %s', (cpu, cores, slug) => {
  expect(machineSlug(cpu, cores)).toBe(slug);
});

test.each([['Python 3.11.7\n', [3, 11]], ['Python 2.7.18', [2, 7]], ['nothing', null]])('version of %j', (text, version) => {
  expect(parsePythonVersion(text)).toEqual(version);
});

describe('parseListeningLine', () => {
  test.each([
    ['{"level":30,"url":"http://127.0.0.1:4000","pid":1,"msg":"listening"}', 'http://127.0.0.1:4000'],
    ['{"msg":"listening"}', null],
    ['{"msg":"device state","url":"http://127.0.0.1:1"}', null],
    ['{"msg":"listening', null],
    ['listening on http://127.0.0.1:1', null],
  ])('%s', (line, url) => {
    expect(parseListeningLine(line)).toBe(url);
  });
});

describe('parseStartScript', () => {
  test('keeps the flags of V8', () => {
    expect(parseStartScript('exec node --max-semi-space-size=32 dist/cli/main.js serve')).toEqual(['--max-semi-space-size=32', 'dist/cli/main.js', 'serve']);
  });
  test.each(['sluice serve', 'node x.js', 'A=1 exec node x.js', 'exec node "a b.js"', 'exec node x.js && node y.js'])('refuses %j', (script) => {
    expect(() => parseStartScript(script)).toThrow(/plain "exec node" command/);
  });
});

describe('child processes', () => {
  const node = (script: string): { file: string; args: string[] } => ({ file: process.execPath, args: ['--eval', script] });

  test('the last line of stdout is the result', async () => {
    const result = await new ChildProcesses().runForJson(node('console.log("progress"); console.log(JSON.stringify({ a: 1 }))'), 60_000);
    expect(result).toEqual({ a: 1 });
  });
  test('a failure shows what the child wrote to stderr', async () => {
    await expect(new ChildProcesses().run(node('console.error("no such model"); process.exit(3)'), 60_000)).rejects.toThrow(/code 3\n.*no such model/s);
  });
  test('a child that runs too long is killed', async () => {
    await expect(new ChildProcesses().run(node('setInterval(() => {}, 1000)'), 300)).rejects.toThrow(/was killed/);
  });
  test('a missing program is an error', async () => {
    await expect(new ChildProcesses().run({ file: '/nonexistent', args: [] }, 60_000)).rejects.toThrow(/ENOENT/);
  });
  test('a server that ends at its start shows why', async () => {
    await expect(startServer(new ChildProcesses(), node('console.error("port in use"); process.exit(1)'), 60_000)).rejects.toThrow(/ended with code 1 at its start\n.*port in use/s);
  });
  test('a server is ready once its health check says so, and gone once stopped, though it ignores SIGTERM', async () => {
    const script = `
      const http = require('node:http');
      let asked = 0;
      process.on('SIGTERM', () => {});
      const server = http.createServer((_, reply) => { reply.statusCode = (asked += 1) < 3 ? 503 : 200; reply.end(); });
      server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ msg: 'listening', url: 'http://127.0.0.1:' + server.address().port })));
    `;
    const server = await startServer(new ChildProcesses(100), node(script), 60_000);
    expect((await fetch(server.url)).status).toBe(200);
    await server.stop();
    expect(() => process.kill(server.pid, 0)).toThrow(/ESRCH/);
  });
});
