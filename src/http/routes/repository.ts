/** Triton's model repository extension: what there is, and loading and unloading it. */
import { z } from 'zod';
import { SluiceError } from '../../errors.ts';
import { firstIssue } from '../codec/envelope.ts';
import type { HttpContext } from '../context.ts';
import { ok, type Route } from './route.ts';

const indexRequest = z.object({ ready: z.boolean().optional() });
const loadRequest = z.object({ parameters: z.record(z.string(), z.unknown()).optional() });

export function repositoryRoutes({ deps: { repository } }: HttpContext): readonly Route[] {
  return [
    {
      path: '/v2/repository/index',
      methods: {
        POST: ({ body }) => {
          const { ready } = parse(indexRequest, body);
          return ok(repository.index().filter(({ state }) => ready !== true || state === 'READY').map(({ name, version, state, reason }) => ({ name, version, state, reason })));
        },
      },
    },
    {
      path: '/v2/repository/models/:model/load',
      methods: {
        POST: async ({ params, body }) => {
          const { parameters = {} } = parse(loadRequest, body);
          const [given] = Object.keys(parameters);
          if (given !== undefined) throw new SluiceError('NOT_SUPPORTED', `parameters: ${JSON.stringify(given)}: a model is loaded as its folder says; change its model.json`);
          await repository.load(params['model'] ?? '');
          return ok({});
        },
      },
    },
    {
      path: '/v2/repository/models/:model/unload',
      methods: {
        POST: async ({ params, body }) => {
          const { parameters = {} } = parse(loadRequest, body);
          if (parameters['unload_dependents'] === true) throw new SluiceError('NOT_SUPPORTED', 'parameters: "unload_dependents": no model depends on another here');
          await repository.unload(params['model'] ?? '');
          return ok({});
        },
      },
    },
  ];
}

/** An empty body is an empty object. Throws BAD_REQUEST. */
function parse<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body ?? {});
  if (parsed.success) return parsed.data;
  throw new SluiceError('BAD_REQUEST', firstIssue(parsed.error));
}
