/** The HTTP front: routes on Fastify, which does the routing and the closing; infer requests go from its router straight to an exchange. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import fastify, { type FastifyInstance } from 'fastify';
import { SluiceError } from '../errors.ts';
import { answerClientError } from './client-errors.ts';
import { MAX_ID_LENGTH } from './codec/envelope.ts';
import { createContext, type HttpContext } from './context.ts';
import { toHttpError } from './error-reply.ts';
import { InferExchange } from './infer/exchange.ts';
import { DEFAULT_HTTP_OPTIONS, type HttpDeps, type HttpOptions, type Log } from './ports.ts';
import { healthRoutes } from './routes/health.ts';
import { metadataRoutes } from './routes/metadata.ts';
import { operationRoutes } from './routes/operations.ts';
import { addRoute, answerTheRest, sendError } from './routes/register.ts';
import { repositoryRoutes } from './routes/repository.ts';
import { requestRoutes } from './routes/requests.ts';
import { modelPaths } from './routes/route.ts';
import { statisticsRoutes } from './routes/statistics.ts';

/** Bodies of the routes that are not infer: a few fields of JSON. */
const CONTROL_BODY_BYTES = 65_536;
/** An id whose every character takes 12 in a path: a pair of surrogates, percent-encoded. */
const MAX_PATH_PARAMETER = 12 * MAX_ID_LENGTH;
const INFER_PATHS = modelPaths('/infer');
const INFER_URL = /\/infer(?:\?|$)/;

/** Builds the server; it listens when the caller says so. `close()` lets running requests finish and ends event streams. */
export function buildServer(deps: HttpDeps, settings: Partial<HttpOptions> = {}): FastifyInstance {
  const options: HttpOptions = { ...DEFAULT_HTTP_OPTIONS, ...settings };
  const context = createContext(deps, options);
  const app = createFastify(options, deps.log);
  const routes = [
    ...healthRoutes(context), ...metadataRoutes(context), ...statisticsRoutes(context),
    ...repositoryRoutes(context), ...requestRoutes(context), ...operationRoutes(context),
  ];
  acceptAnyContentType(app);
  for (const route of routes) addRoute(app, route);
  for (const path of INFER_PATHS) addInfer(app, path, context);
  const known = routes.map(({ path, methods }) => ({ path, verbs: Object.keys(methods) }));
  answerTheRest(app, [...known, ...INFER_PATHS.map((path) => ({ path, verbs: ['POST'] }))], deps.log);
  continueWhenAdmitted(app.server);
  app.server.maxConnections = options.maxConnections;
  app.addHook('preClose', (done) => {
    context.closing = true;
    context.streams.close();
    done();
  });
  return app;
}

function createFastify(options: HttpOptions, log: Log): FastifyInstance {
  return fastify({
    // Request lines are the observer's; Fastify's own logger would cost a child logger and two listeners per request.
    logger: false,
    http: {
      headersTimeout: Math.min(options.headersTimeoutMs, options.bodyTimeoutMs),
      requestTimeout: options.bodyTimeoutMs,
      connectionsCheckingInterval: options.connectionsCheckingIntervalMs,
    },
    requestTimeout: options.bodyTimeoutMs,
    keepAliveTimeout: options.keepAliveTimeoutMs,
    forceCloseConnections: 'idle',
    // Refusing while stopping is admission's, in the same words as every refusal; health still answers.
    return503OnClosing: false,
    bodyLimit: CONTROL_BODY_BYTES,
    routerOptions: { maxParamLength: MAX_PATH_PARAMETER },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, _request, reply) => {
      void sendError(reply, toHttpError(error, log));
    },
  });
}

/** Clients send any Content-Type, or none (curl: form-urlencoded): it is never looked at. */
function acceptAnyContentType(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body: Buffer, done) => {
    if (body.length === 0) {
      done(null, undefined);
      return;
    }
    try {
      done(null, JSON.parse(body.toString()));
    } catch (error) {
      done(new SluiceError('BAD_JSON', `the body is not JSON: ${error instanceof Error ? error.message : String(error)}`), undefined);
    }
  });
  app.addHook('onRequest', (request, _reply, done) => {
    delete request.raw.headers['content-type'];
    done();
  });
}

/** The exchange takes over before Fastify looks at the body. */
function addInfer(app: FastifyInstance, path: string, context: HttpContext): void {
  app.route<{ Params: { model: string; version?: string } }>({
    method: 'POST',
    url: path,
    onRequest: (request, reply) => {
      reply.hijack();
      new InferExchange(context, request.raw, reply.raw).begin(request.params.model, request.params.version);
    },
    handler: () => {
      throw new Error('an infer request came to the handler; the exchange should have taken it');
    },
  });
}

/** A client that waits for `100 Continue` gets it from the exchange, once admitted; on every other route at once. */
function continueWhenAdmitted(server: Server): void {
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    server.emit('request', request, response);
  };
  server.on('checkContinue', (request, response) => {
    if (!INFER_URL.test(request.url ?? '')) response.writeContinue();
    serve(request, response);
  });
  // Any other expectation is ignored, as RFC 9110 allows.
  server.on('checkExpectation', serve);
}
