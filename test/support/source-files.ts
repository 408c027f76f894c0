/** Source files of this repository as the architecture test sees them: what each imports, and which environment it reads. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface SourceFile {
  /** Relative to the repository, with forward slashes: `src/http/server.ts`. */
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly ImportEdge[];
  readonly readsEnvironment: boolean;
}

export interface ImportEdge {
  /** A file of the repository (`src/errors.ts`), or the name of a package or built-in (`fastify`, `node:fs`). */
  readonly target: string;
  readonly outside: boolean;
  /** `import type`, `export type`, or a list of which each name is a type: gone after compilation. */
  readonly typeOnly: boolean;
}

/** Every TypeScript file below a folder of the repository, in order of path. */
export function readSourceFiles(folder: string): SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .sort()
    .map((file) => describeSource(join(folder, file).replaceAll('\\', '/'), readFileSync(join(ROOT, folder, file), 'utf8')));
}

/** Parses one file: static imports, re-exports and `import()`. */
export function describeSource(path: string, text: string): SourceFile {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  const imports: ImportEdge[] = [];
  let readsEnvironment = false;
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      if (node.moduleSpecifier !== undefined && ts.isStringLiteral(node.moduleSpecifier)) imports.push(edge(path, node.moduleSpecifier.text, isTypeOnly(node)));
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments;
      if (specifier !== undefined && ts.isStringLiteralLike(specifier)) imports.push(edge(path, specifier.text, false));
    } else if (readsProcessEnv(node)) {
      readsEnvironment = true;
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  if (imports.some(({ target }) => target === 'node:process' || target === 'process')) readsEnvironment = true;
  return { path, lines: text.trimEnd().split('\n').length, imports, readsEnvironment };
}

/** `process.env`, `process['env']`, or taking `process` apart. */
function readsProcessEnv(node: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(node)) return isProcess(node.expression) && node.name.text === 'env';
  if (ts.isElementAccessExpression(node)) return isProcess(node.expression);
  return ts.isVariableDeclaration(node) && node.initializer !== undefined && isProcess(node.initializer);
}

function isProcess(node: ts.Node): boolean {
  return ts.isIdentifier(node) && node.text === 'process';
}

function isTypeOnly(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) {
    if (node.isTypeOnly) return true;
    return node.exportClause !== undefined && ts.isNamedExports(node.exportClause) && node.exportClause.elements.every((element) => element.isTypeOnly);
  }
  const clause = node.importClause;
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  if (clause.name !== undefined || clause.namedBindings === undefined || !ts.isNamedImports(clause.namedBindings)) return false;
  return clause.namedBindings.elements.every((element) => element.isTypeOnly);
}

function edge(from: string, specifier: string, typeOnly: boolean): ImportEdge {
  if (!specifier.startsWith('.')) return { target: packageName(specifier), outside: true, typeOnly };
  return { target: relative(ROOT, join(ROOT, dirname(from), specifier)).replaceAll('\\', '/'), outside: false, typeOnly };
}

/** `zod/v4` is zod, `@scope/name/file` is `@scope/name`; built-ins keep their name. */
function packageName(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}
