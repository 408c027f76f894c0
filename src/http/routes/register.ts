/** Joins routes to Fastify: answers, 404 and 405, and errors. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SluiceError } from '../../errors.ts';
import { errorBody, retryAfterSeconds, toHttpError } from '../error-reply.ts';
import type { Log } from '../ports.ts';
import { sendJson, type Route, type RouteHandler } from './route.ts';

/** GET routes answer HEAD too, but not an endless stream of events. */
export function addRoute(app: FastifyInstance, { path, methods }: Route): void {
  for (const [method, handle] of Object.entries(methods)) {
    app.route({
      method,
      url: path,
      exposeHeadRoute: method === 'GET' && !path.endsWith('/events'),
      handler: async (request, reply) => {
        await answer(handle, request, reply);
        return reply;
      },
    });
  }
}

async function answer(handle: RouteHandler, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const result = await handle({ params: request.params as Record<string, string>, body: request.body, fastifyRequest: request, reply });
  if (result !== null) await sendJson(reply, result);
}

/** A path that is known, and the verbs that it takes. */
export interface KnownPath {
  readonly path: string;
  readonly verbs: readonly string[];
}

/** 404 for unknown paths, 405 with Allow for wrong verbs on known ones, and the error table for what routes throw. */
export function answerTheRest(app: FastifyInstance, known: readonly KnownPath[], log: Log): void {
  const patterns = known.map(({ path, verbs }) => ({ pattern: pathPattern(path), allow: verbs.flatMap((verb) => (verb === 'GET' && !path.endsWith('/events') ? ['GET', 'HEAD'] : [verb])) }));
  app.setNotFoundHandler(async (request, reply) => {
    const path = request.url.replace(/\?.*$/, '');
    const allow = patterns.find(({ pattern }) => pattern.test(path))?.allow;
    if (allow !== undefined) reply.header('allow', allow.join(', '));
    await sendError(reply, allow === undefined
      ? new SluiceError('UNKNOWN_ROUTE', `no such path: ${path.slice(0, 200)}`)
      : new SluiceError('METHOD_NOT_ALLOWED', `${request.method} is not allowed here; use ${allow.join(' or ')}`));
    return reply;
  });
  app.setErrorHandler(async (thrown, _request, reply) => {
    await sendError(reply, toHttpError(thrown, log));
    return reply;
  });
}

/** Sends an error through Fastify, as the table says. */
export async function sendError(reply: FastifyReply, error: SluiceError): Promise<void> {
  const retryAfter = retryAfterSeconds(error);
  if (retryAfter !== null) reply.header('retry-after', String(retryAfter));
  await sendJson(reply, { status: error.status, value: errorBody(error) });
}

function pathPattern(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`);
}
