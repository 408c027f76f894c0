import { defineConfig } from 'vitest/config';

const inCi = process.env['CI'] === 'true';

/** Fast, in parallel, without dist/ and without child processes of ours. */
const UNIT = ['unit', 'contract', 'property', 'native'].map((folder) => `test/${folder}/**/*.test.ts`);
/** Real processes and sockets: needs dist/, which the global setup builds when it is stale. */
const INTEGRATION = ['integration', 'reliability', 'conformance', 'gpu'].map((folder) => `test/${folder}/**/*.test.ts`);

export default defineConfig({
  test: {
    // A property test may take its whole time box (test/support/fast-check.ts), and shrink after it.
    testTimeout: inCi ? 120_000 : 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    reporters: inCi ? ['default', './test/support/skip-reporter.ts', 'json'] : ['default', './test/support/skip-reporter.ts'],
    // .ci/run counts from it.
    outputFile: { json: process.env['VITEST_JSON'] ?? '.cache/vitest.json' },
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: [...UNIT, 'test/*.test.ts', 'bench/**/*.test.ts'], setupFiles: ['test/support/fast-check.ts'], pool: 'threads', sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        // One server at a time: each takes every core for its workers.
        test: {
          name: 'integration', include: INTEGRATION, globalSetup: ['test/support/build-dist.ts'], setupFiles: ['test/support/fast-check.ts'],
          pool: 'forks', maxWorkers: 1, testTimeout: 180_000, hookTimeout: 180_000, sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
