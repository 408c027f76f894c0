/** Where a model's file comes from, as model.json says it. */
export type SourceLocation =
  | { readonly kind: 'npm'; readonly packageName: string; readonly path: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'hf'; readonly repository: string; readonly revision: string; readonly path: string };

const NPM = /^npm:((?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*)\/(.+)$/;
const HUGGING_FACE = /^hf:([\w.-]+\/[\w.-]+)@([\w.-]+)\/(.+)$/;

/** Parses a source. A string is what is wrong with it, to be put after the source itself. */
export function parseSource(text: string): SourceLocation | string {
  const npm = NPM.exec(text);
  if (npm !== null) return inside(npm[2]) ?? { kind: 'npm', packageName: npm[1] ?? '', path: npm[2] ?? '' };
  const hub = HUGGING_FACE.exec(text);
  if (hub !== null) return inside(hub[3]) ?? { kind: 'hf', repository: hub[1] ?? '', revision: hub[2] ?? '', path: hub[3] ?? '' };
  if (text.startsWith('file:')) return text.length > 5 ? { kind: 'file', path: text.slice(5).replace(/^\/\/(?=\/)/, '') } : 'names no file';
  if (/^https?:/.test(text)) return URL.canParse(text) ? { kind: 'url', url: text } : 'is not a URL';
  return 'must be npm:package/path, file:path, https://…, or hf:owner/repository@revision/path';
}

function inside(path: string | undefined): string | null {
  return path?.split('/').some((part) => part === '..' || part === '.' || part === '') === true ? 'has a path that leaves its package' : null;
}

/** Whether it has to be downloaded, so that its sha256 must be known. */
export function isRemote(location: SourceLocation): boolean {
  return location.kind === 'url' || location.kind === 'hf';
}

/** As in model.json, for messages. */
export function printSource(location: SourceLocation): string {
  switch (location.kind) {
    case 'npm':
      return `npm:${location.packageName}/${location.path}`;
    case 'file':
      return `file:${location.path}`;
    case 'url':
      return location.url;
    case 'hf':
      return `hf:${location.repository}@${location.revision}/${location.path}`;
  }
}
