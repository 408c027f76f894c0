/** Clients that other people wrote, unchanged, against the server as a user starts it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startServer, type RunningServer } from '../support/server.ts';
import { makeConformanceModels } from './models.ts';
import { runChecks, runPerfAnalyzer, whyNoClients, type Check } from './python.ts';

const missing = whyNoClients();
const CLIENTS = {
  'triton_http.py': ['server', 'models', 'repository', 'infer', 'errors'],
  'triton_aio.py': ['server', 'infer', 'errors'],
  'kserve_rest.py': ['server', 'infer', 'errors'],
} as const;

describe('real clients', () => {
  const models = makeConformanceModels();
  const scratch = mkdtempSync(join(tmpdir(), 'sluice-perf-'));
  let server: RunningServer | undefined;
  const url = (): string => server?.url ?? '';

  beforeAll(async () => {
    if (missing === null) server = await startServer({ env: { MODELS_DIR: models.path, GPU_COUNT: '0' } });
  });
  afterAll(async () => {
    models.remove();
    rmSync(scratch, { recursive: true });
    if (server !== undefined) expect(await server.stop()).toBe(0);
  });

  describe.each(Object.entries(CLIENTS))('%s', (script, groups) => {
    let checks: Check[] = [];
    beforeAll(async () => {
      if (missing === null) checks = await runChecks(script, url(), 120_000);
    });

    test.for(groups)('%s', (group, { skip }) => {
      if (missing !== null) skip(missing);
      const mine = checks.filter((check) => check.group === group);
      expect(mine.length).toBeGreaterThan(0);
      expect(mine.filter(({ fault }) => fault !== null).map(({ name, fault }) => `${name}\n${fault ?? ''}`)).toEqual([]);
    });
    test('no check is left out', ({ skip }) => {
      if (missing !== null) skip(missing);
      expect(new Set(checks.map(({ group }) => group))).toEqual(new Set(groups));
    });
  });

  describe('perf_analyzer', () => {
    test.for([
      ['text-orientation', 'binary'], ['text-orientation', 'json'], ['identity_fp32', 'binary'], ['identity_fp32', 'json'],
    ] as const)('%s as %s at concurrency 1 and 4', async ([model, format], { skip }) => {
      if (missing !== null) skip(missing);
      const csv = join(scratch, `${model}-${format}.csv`);
      await runPerfAnalyzer(url(), model, format, csv, 120_000);
      const [head = '', ...rows] = readFileSync(csv, 'utf8').trim().split('\n');
      const column = (row: string, name: string): number => Number(row.split(',')[head.split(',').indexOf(name)]);
      expect(rows.map((row) => column(row, 'Concurrency')).sort()).toEqual([1, 4]);
      // Throughput as the client saw it; and what it read from our statistics, which is a time only if it could read them.
      for (const row of rows) {
        expect(column(row, 'Inferences/Second')).toBeGreaterThan(0);
        expect(column(row, 'Server Compute Infer')).toBeGreaterThan(0);
      }
    });
  });
});
