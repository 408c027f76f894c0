// Writes the tables of settings and of errors into README.md, from the code that the server itself uses:
// `npm run build && node scripts/readme-tables.mjs`.
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const code = (text) => `\`${text}\``;

function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Markdown of settings as describeSettings() gives them. */
function renderSettings(settings) {
  return table(['Variable', 'Default', 'Value', 'Meaning'],
    settings.map(({ name, fallback, allowed, description }) => [code(name), fallback === null ? '–' : code(fallback), allowed, description]));
}

/** Markdown of ERROR_TABLE, in its order. */
function renderErrors(errors) {
  return table(['Code', 'Status', 'Try again', 'Meaning'],
    Object.entries(errors).map(([name, { status, retryable, meaning }]) => [code(name), String(status), retryable ? 'yes' : 'no', meaning]));
}

/** The document with what stands between `<!-- name:start -->` and `<!-- name:end -->` replaced. */
function replaceBetween(document, name, text) {
  const [begin, end] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`];
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`${begin} and ${end} are not there, in this order`);
  return `${document.slice(0, from + begin.length)}\n${text}\n${document.slice(to)}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const readme = new URL('../README.md', import.meta.url);
  const { describeSettings } = await import('../dist/config/load.js');
  const { ERROR_TABLE } = await import('../dist/errors.js');
  const withSettings = replaceBetween(readFileSync(readme, 'utf8'), 'settings', renderSettings(describeSettings()));
  writeFileSync(readme, replaceBetween(withSettings, 'errors', renderErrors(ERROR_TABLE)));
}
