/** /openapi.json: well-formed, complete, and true. */
import { afterAll, describe, expect, test } from 'vitest';
import { checkEnvelope, inferRequestSchema } from '../../../src/http/codec/envelope.ts';
import { OPERATIONS } from '../../../src/http/openapi/operations.ts';
import { createFront, FP32_ROW, identityModel } from '../../support/http-front.ts';

const front = createFront({ models: [FP32_ROW, identityModel('a b', [{ name: 's', datatype: 'BYTES', shape: [-1, 2] }]), identityModel('large', [{ name: 'x', datatype: 'FP32', shape: [-1, 3, 640, 640] }])] });
afterAll(async () => {
  await front.app.close();
});

interface Operation {
  readonly summary?: string;
  readonly responses?: object;
}

interface PathItem {
  readonly parameters?: readonly { readonly name: string }[];
  readonly get?: Operation;
  readonly post?: Operation;
  readonly delete?: Operation;
}

async function document() {
  const response = await front.app.inject('/openapi.json');
  expect(response.headers['content-type']).toBe('application/json');
  return response.json();
}

/** All values of `$ref`, however deep. */
function references(value: unknown): string[] {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === '$ref' ? [String(inner)] : references(inner)));
}

describe('the document', () => {
  test('is OpenAPI 3.1: info, operations with responses, path parameters that are declared, references that lead somewhere', async () => {
    const spec = await document();
    expect(spec.openapi).toBe('3.1.0');
    expect(spec.info).toMatchObject({ title: 'sluice', version: expect.any(String) });
    for (const [path, { parameters = [], ...verbs }] of Object.entries<PathItem>(spec.paths)) {
      expect(path).toMatch(/^\//);
      const declared = parameters.map(({ name }) => name);
      expect(declared).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
      for (const [verb, operation] of Object.entries<Operation>(verbs)) {
        expect(['get', 'post', 'delete']).toContain(verb);
        expect(operation.summary).toBeTruthy();
        expect(Object.keys(operation.responses ?? {})).toContain('default');
      }
    }
    for (const reference of references(spec)) {
      expect(reference).toMatch(/^#\/components\/schemas\//);
      expect(spec.components.schemas).toHaveProperty(reference.split('/').at(-1)!);
    }
  });

  test('names every route that the server has, and no other', () => {
    const described = Object.entries(OPERATIONS).flatMap(([path, verbs]) => Object.keys(verbs).map((verb) => `${verb.toUpperCase()} ${path}`));
    const served = front.app.printRoutes({ commonPrefix: false, includeHooks: false });
    for (const operation of described) {
      const [method, path] = operation.split(' ') as [string, string];
      expect(front.app.hasRoute({ method, url: path.replace(/\{(\w+)\}/g, ':$1') })).toBe(true);
    }
    const verbs = [...served.matchAll(/\((.*?)\)/g)].flatMap(([, list]) => list!.split(', ')).filter((verb) => verb !== 'HEAD');
    expect(verbs).toHaveLength(described.length);
  });

  test('has a path with an example for each model, and the examples are accepted', async () => {
    const spec = await document();
    for (const [path, model] of [['/v2/models/row/versions/1/infer', 'row'], ['/v2/models/a%20b/versions/1/infer', 'a b']] as const) {
      const { example } = spec.paths[path].post.requestBody.content['application/json'];
      const response = await front.app.inject({ method: 'POST', url: path, payload: JSON.stringify(example) });
      expect([response.statusCode, response.json().model_name]).toEqual([200, model]);
    }
    expect(JSON.stringify(spec).length).toBeLessThan(100_000);
  });

  test('shows one schema of the request: what it accepts is what the server accepts', () => {
    const good = { id: 'x', parameters: { a: 1, b: 'c', d: true }, inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32', parameters: {} }], outputs: [{ name: 'y' }] };
    const changes: [string, object, boolean][] = [
      ['as it is', {}, true], ['no id', { id: undefined }, true], ['a number as id', { id: 1 }, false], ['null', { parameters: null }, false],
      ['a nested parameter', { parameters: { a: [] } }, false], ['no inputs', { inputs: undefined }, false], ['empty inputs', { inputs: [] }, true],
      ['an input without a name', { inputs: [{ shape: [1], datatype: 'FP32' }] }, false], ['a shape of text', { inputs: [{ name: 'x', shape: ['1'], datatype: 'FP32' }] }, false],
      ['BF16', { inputs: [{ name: 'x', shape: [1], datatype: 'BF16' }] }, false], ['outputs without names', { outputs: [{}] }, false], ['unknown members', { extra: [1] }, true],
    ];
    for (const [what, change, accepted] of changes) {
      const text = JSON.stringify({ ...good, ...change });
      const byServer = ((): boolean => {
        try {
          checkEnvelope(text);
          return true;
        } catch {
          return false;
        }
      })();
      expect([what, byServer, inferRequestSchema.safeParse(JSON.parse(text)).success]).toEqual([what, accepted, accepted]);
    }
  });
});
