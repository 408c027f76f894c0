import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { ERROR_TABLE, type ErrorCode, SluiceError, toSluiceError } from '../../src/errors.ts';

const CODES = Object.keys(ERROR_TABLE) as ErrorCode[];

/** Clients depend on every row: a change here is a change of the API. */
const PINNED: Readonly<Record<ErrorCode, readonly [status: number, retryable: boolean]>> = {
  BAD_REQUEST: [400, false],
  BAD_JSON: [400, false],
  BAD_TENSOR: [400, false],
  BAD_HEADER: [400, false],
  UNKNOWN_MODEL: [404, false],
  UNKNOWN_REQUEST: [404, false],
  UNKNOWN_ROUTE: [404, false],
  METHOD_NOT_ALLOWED: [405, false],
  REQUEST_TIMEOUT: [408, true],
  DUPLICATE_ID: [409, false],
  TOO_LARGE: [413, false],
  UNSUPPORTED_ENCODING: [415, false],
  MODEL_FAILED: [422, false],
  TOO_MANY_REQUESTS: [429, true],
  CANCELLED: [499, false],
  NOT_SUPPORTED: [501, false],
  OVERLOADED: [503, true],
  NOT_READY: [503, true],
  MODEL_UNAVAILABLE: [503, false],
  STOPPING: [503, true],
  DEVICE_LOST: [503, true],
  MODEL_LOAD_FAILED: [503, false],
  DEADLINE_PASSED: [504, true],
  CONFIG_INVALID: [500, false],
  INTERNAL: [500, false],
};

describe('the table of errors', () => {
  it('is exactly this', () => {
    const table = Object.fromEntries(CODES.map((code) => [code, [ERROR_TABLE[code].status, ERROR_TABLE[code].retryable]]));
    expect(table).toEqual(PINNED);
    expect(CODES).toHaveLength(25);
  });

  it('has 500 for nothing that a client can cause', () => {
    expect(CODES.filter((code) => ERROR_TABLE[code].status === 500)).toEqual(['CONFIG_INVALID', 'INTERNAL']);
  });

  it.each(CODES)('%s: written like the others', (code) => {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    // A clause that completes "the request failed: …": no capital, no full stop.
    expect(ERROR_TABLE[code].meaning).toMatch(/^[a-z][^\n]+[^.!\s]$/);
    expect(CODES.filter((other) => ERROR_TABLE[other].meaning === ERROR_TABLE[code].meaning)).toEqual([code]);
  });
});

describe('SluiceError', () => {
  it.each(CODES)('%s takes status and retryable from the table', (code) => {
    const error = new SluiceError(code, 'what happened');
    expect(error).toMatchObject({ name: 'SluiceError', message: 'what happened', code, status: PINNED[code][0], retryable: PINNED[code][1] });
    expect(error).toBeInstanceOf(Error);
  });

  it.each(CODES)('%s says when to try again exactly if it is a 429 or 503', (code) => {
    const { retryAfterMs, status } = new SluiceError(code, 'what happened');
    if (status === 429 || status === 503) expect(retryAfterMs).toBe(PINNED[code][1] ? 1_000 : 60_000);
    else expect(retryAfterMs).toBeNull();
  });

  it('passes on what was predicted', () => {
    expect(new SluiceError('OVERLOADED', 'full', { retryAfterMs: 12.5 }).retryAfterMs).toBe(12.5);
  });

  it('keeps a cause, and has none otherwise', () => {
    const cause = new Error('deeper');
    expect(new SluiceError('INTERNAL', 'bug', { cause }).cause).toBe(cause);
    expect(new SluiceError('INTERNAL', 'bug')).not.toHaveProperty('cause');
  });
});

describe('toSluiceError', () => {
  it('passes a SluiceError through', () => {
    const error = new SluiceError('BAD_JSON', 'no');
    expect(toSluiceError(error)).toBe(error);
  });

  it.each([new TypeError('/home/somebody/secret.onnx'), 'text', null, undefined])('makes %s INTERNAL, and shows the client nothing of it', (thrown) => {
    const error = toSluiceError(thrown);
    expect(error).toMatchObject({ code: 'INTERNAL', message: 'internal error; the server log has the details' });
    expect(error.cause ?? undefined).toBe(thrown ?? undefined);
  });
});

interface Message {
  readonly where: string;
  /** The code's literal, or null where it is computed. */
  readonly code: string | null;
  /** The message's own words, `…` for what is put in; null where all of it is computed. */
  readonly text: string | null;
  readonly inserted: readonly string[];
}

/** Every `new SluiceError(code, message)` in src/. */
function messagesInSource(): readonly Message[] {
  const root = fileURLToPath(new URL('../../src/', import.meta.url));
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts')).sort();
  return files.flatMap((file) => {
    const tree = ts.createSourceFile(file, readFileSync(root + file, 'utf8'), ts.ScriptTarget.ES2023, true);
    const found: Message[] = [];
    const visit = (node: ts.Node): void => {
      if (ts.isNewExpression(node) && node.expression.getText() === 'SluiceError') found.push(describeMessage(file, tree, node));
      ts.forEachChild(node, visit);
    };
    visit(tree);
    return found;
  });
}

function describeMessage(file: string, tree: ts.SourceFile, node: ts.NewExpression): Message {
  const [code, message] = node.arguments ?? [];
  const where = `${file}:${String(tree.getLineAndCharacterOfPosition(node.getStart()).line + 1)}`;
  const literal = code !== undefined && ts.isStringLiteral(code) ? code.text : null;
  if (message === undefined) return { where, code: literal, text: null, inserted: [] };
  if (ts.isStringLiteralLike(message)) return { where, code: literal, text: message.text, inserted: [] };
  if (!ts.isTemplateExpression(message)) return { where, code: literal, text: null, inserted: [message.getText()] };
  const text = message.head.text + message.templateSpans.map((span) => `…${span.literal.text}`).join('');
  return { where, code: literal, text, inserted: message.templateSpans.map((span) => span.expression.getText()) };
}

describe('messages', () => {
  const messages = messagesInSource();
  const texts = messages.flatMap(({ where, text }) => (text === null ? [] : [{ where, text }]));

  it('are found', () => {
    expect(texts.length).toBeGreaterThan(50);
  });

  it('are clauses without a capital at the start (names aside), a full stop, or two lines', () => {
    expect(texts.filter(({ text }) => !/^(?![A-Z][a-z]+[ ,]).*[^.!\s]$/.test(text))).toEqual([]);
  });

  it('say what is so, without pleading or blaming', () => {
    expect(texts.filter(({ text }) => /please|sorry|oops|invalid input|something went wrong|unknown error/i.test(text))).toEqual([]);
  });

  it('show clients no stack and no place on the host', () => {
    // Settings are for the operator, who needs the folder; the path of an unknown route is the client's own.
    const forOperators = new Set(['CONFIG_INVALID', 'UNKNOWN_ROUTE']);
    const leaks = messages.filter(({ code, inserted }) => (code === null || !forOperators.has(code)) && inserted.some((expression) => /stack|\b(path|file|folder|dir|directory)\b|(Path|File|Dir|Folder)\b|__dirname/.test(expression)));
    expect(leaks).toEqual([]);
  });
});
