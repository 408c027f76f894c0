import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { describeSettings } from '../../../src/config/load.ts';
import { ERROR_TABLE } from '../../../src/errors.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const DOCUMENTS = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md'];
const UPDATE = 'after a change: npm run build && node scripts/readme-tables.mjs';
const read = (path: string): string => readFileSync(`${ROOT}${path}`, 'utf8');

/** Cells of the Markdown table between two markers, without its head. */
function rows(document: string, marker: string): string[][] {
  const [, table = ''] = new RegExp(`<!-- ${marker}:start -->\\n([\\s\\S]*?)\\n<!-- ${marker}:end -->`).exec(document) ?? [];
  return table.split('\n').slice(2).map((line) => line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim().replaceAll('\\|', '|')));
}

/** Files of the repository that a document names: in backquotes, or as the target of a link. */
function filesIn(text: string): string[] {
  const quoted = text.matchAll(/`((?:src|test|native|scripts|bench|models|examples|\.ci)\/[\w./-]+)`/g);
  return [...quoted, ...text.matchAll(/\]\((?!https?:|#)([^)#]+)\)/g)].map(([, path = '']) => path);
}

describe('documents', () => {
  test(`the README's settings are those of the schema (${UPDATE})`, () => {
    const wanted = describeSettings().map(({ name, fallback, allowed, description }) => [`\`${name}\``, fallback === null ? '–' : `\`${fallback}\``, allowed, description]);
    expect(rows(read('README.md'), 'settings')).toEqual(wanted);
  });

  test(`the README's errors are those of the table (${UPDATE})`, () => {
    const wanted = Object.entries(ERROR_TABLE).map(([code, { status, retryable, meaning }]) => [`\`${code}\``, String(status), retryable ? 'yes' : 'no', meaning]);
    expect(rows(read('README.md'), 'errors')).toEqual(wanted);
  });

  test.each(DOCUMENTS)('%s names only files and scripts that are there', (document) => {
    const text = read(document);
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    expect(filesIn(text).filter((path) => !existsSync(`${ROOT}${path}`))).toEqual([]);
    expect([...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name = '']) => name).filter((name) => !(name in scripts))).toEqual([]);
  });
});
