// Type-aware lint. Which stage may import which is decided in test/architecture.test.ts, with the reasons; the zones here
// show the same mistakes in the editor.
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const STAGES = ['admission', 'arena', 'batching', 'config', 'devices', 'http', 'metrics', 'repository', 'results', 'scheduler'];

/** Outside libraries that have one place in src/. */
const LIBRARIES = [
  { name: 'fastify', at: ['src/http/**'] },
  { name: 'prom-client', at: ['src/metrics/**'] },
  { name: 'piscina', at: ['src/devices/host/**'] },
  { name: 'onnxruntime-node', at: ['src/devices/host/engine.ts'] },
  { name: 'commander', at: ['src/cli/**'] },
  { name: 'zod', at: ['src/config/**', 'src/repository/**', 'src/http/**'] },
];

const libraryPaths = (allowed) =>
  LIBRARIES.filter(({ name }) => !allowed.includes(name)).map(({ name, at }) => ({ name, message: `${name} has one place: ${at.join(', ')}` }));

/** What runs in a device host is another process: it joins the native module and the arena for itself. */
const ZONES = [...STAGES.map((stage) => ({ folder: stage, own: [stage] })), { folder: 'devices/host', own: ['devices', 'arena'] }];

const stageZones = ZONES.map(({ folder, own }) => {
  const libraries = LIBRARIES.filter(({ at }) => at.some((glob) => glob.startsWith(`src/${folder}/`) && glob.endsWith('/**'))).map(({ name }) => name);
  return {
    files: [`src/${folder}/**/*.ts`],
    rules: {
      'no-restricted-imports': ['error', {
        paths: libraryPaths(libraries),
        patterns: [{
          regex: `^(\\.\\./)+(${STAGES.filter((other) => !own.includes(other)).join('|')}|cli|app\\.ts|main\\.ts)(/|$)`,
          message: 'A stage imports contracts, errors and its own folder; app.ts joins the stages.',
        }],
      }],
    },
  };
});

export default defineConfig(
  globalIgnores(['dist/', 'build/', 'coverage/', '.cache/', '.gpu/', 'bench/.venv/', 'bench/results/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    // ESLint's own rules that find bugs which the compiler leaves; @eslint/js would be one more dependency for the same list.
    rules: Object.fromEntries([
      'array-callback-return', 'for-direction', 'no-async-promise-executor', 'no-case-declarations', 'no-cond-assign',
      'no-constant-binary-expression', 'no-constructor-return', 'no-debugger', 'no-dupe-else-if', 'no-duplicate-case', 'no-empty',
      'no-empty-pattern', 'no-ex-assign', 'no-fallthrough', 'no-irregular-whitespace', 'no-loss-of-precision',
      'no-prototype-builtins', 'no-self-assign', 'no-self-compare', 'no-sparse-arrays', 'no-template-curly-in-string',
      'no-unassigned-vars', 'no-unsafe-finally', 'no-unsafe-optional-chaining', 'no-unused-labels',
      'no-useless-assignment', 'no-useless-catch', 'no-useless-escape', 'no-var', 'prefer-const', 'preserve-caught-error', 'require-yield',
      'use-isnan', 'valid-typeof',
    ].map((rule) => [rule, 'error'])),
  },
  { rules: { 'eqeqeq': ['error', 'always', { null: 'ignore' }] } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      'no-console': 'error',
      // Numbers and booleans print as everybody expects; objects, null and arrays in a message are the bugs that the rule is for.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: 'only-allowed-literals' }],
      // noUncheckedIndexedAccess makes every read of a typed array `number | undefined`; in a loop bounded by the length, `!` is
      // the honest form.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // noPropertyAccessFromIndexSignature is a matter of taste: process.env['PORT'] and process.env.PORT are both fine.
      '@typescript-eslint/dot-notation': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true }],
      '@typescript-eslint/prefer-nullish-coalescing': ['error', { ignorePrimitives: { string: true, boolean: true } }],
    },
  },
  { files: ['src/**/*.ts'], rules: { 'no-restricted-imports': ['error', { paths: libraryPaths([]) }] } },
  ...stageZones,
  { files: ['src/devices/host/engine.ts'], rules: { 'no-restricted-imports': ['error', { paths: libraryPaths(['onnxruntime-node']) }] } },
  { files: ['src/cli/**/*.ts'], rules: { 'no-restricted-imports': ['error', { paths: libraryPaths(['commander']) }], 'no-console': 'off' } },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: {
      // Replies of the server are read as untyped JSON, and then compared whole.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      // Fakes implement ports whose methods return promises or take arguments that the fake has no use for.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/unbound-method': 'off',
      'no-console': 'off',
    },
  },
  {
    files: ['**/*.js', '**/*.mjs', '**/*.cjs'],
    rules: { 'no-undef': 'error', 'no-unused-vars': 'error', 'no-redeclare': 'error' },
    languageOptions: {
      globals: Object.fromEntries(
        ['process', 'console', 'Buffer', 'URL', 'fetch', 'performance', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval',
          'setImmediate', 'AbortController', 'AbortSignal', 'TextDecoder', 'TextEncoder', 'structuredClone', 'queueMicrotask']
          .map((name) => [name, 'readonly']),
      ),
    },
  },
);
