/** Routes as data: path, and for each verb what answers it. Other verbs on a known path get 405 with what is allowed. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { JSON_TYPE } from '../error-reply.ts';

export interface RouteRequest {
  readonly params: Readonly<Record<string, string>>;
  /** The body as JSON; undefined where there is none. */
  readonly body: unknown;
  readonly fastifyRequest: FastifyRequest;
  readonly reply: FastifyReply;
}

/** A status and a JSON value. */
export interface JsonAnswer {
  readonly status: number;
  readonly value: unknown;
}

/** Answers with JSON, or null when it has answered itself. Throws SluiceErrors. */
export type RouteHandler = (request: RouteRequest) => JsonAnswer | null | Promise<JsonAnswer | null>;

export interface Route {
  /** Fastify's pattern: `/v2/models/:model`. */
  readonly path: string;
  readonly methods: Readonly<Partial<Record<'GET' | 'POST' | 'DELETE', RouteHandler>>>;
}

export function ok(value: unknown): JsonAnswer {
  return { status: 200, value };
}

/** Sends JSON as a buffer: to a string or an object Fastify would append `; charset=utf-8`, which KServe's client does not read. */
export async function sendJson(reply: FastifyReply, { status, value }: JsonAnswer): Promise<void> {
  await reply.code(status).header('content-type', JSON_TYPE).send(Buffer.from(JSON.stringify(value)));
}

/** The path of one model, with and without a version, followed by `tail`. */
export function modelPaths(tail: string): readonly string[] {
  return [`/v2/models/:model${tail}`, `/v2/models/:model/versions/:version${tail}`];
}
