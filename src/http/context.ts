/** What all routes share. */
import type { ServingModel } from '../contracts/model.ts';
import type { BodyReaderDeps } from './codec/body-reader.ts';
import { EnvelopeCache } from './codec/envelope-cache.ts';
import { createCodecCache, type ModelCodec } from './codec/model-codec.ts';
import { ResponseEncoder } from './codec/response-encoder.ts';
import { createIdSource } from './infer/request-id.ts';
import type { HttpDeps, HttpOptions } from './ports.ts';
import { EventStreams } from './sse/event-streams.ts';

export interface HttpContext {
  readonly deps: HttpDeps;
  readonly options: HttpOptions;
  readonly codecOf: (model: ServingModel) => ModelCodec;
  readonly bodies: BodyReaderDeps;
  readonly encoder: ResponseEncoder;
  readonly streams: EventStreams;
  readonly nextId: () => string;
  /** From the first moment of closing: answers say `Connection: close`, or idle connections would hold up the stop. */
  closing: boolean;
}

export function createContext(deps: HttpDeps, options: HttpOptions): HttpContext {
  return {
    deps,
    options,
    codecOf: createCodecCache(),
    bodies: { arena: deps.arena, native: deps.native, limits: options, envelopes: new EnvelopeCache() },
    encoder: new ResponseEncoder(deps.native.printer),
    streams: new EventStreams(deps.clock, deps.pipeline, options),
    nextId: createIdSource(),
    closing: false,
  };
}
