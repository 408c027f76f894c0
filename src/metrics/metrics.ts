/** Front door of observability: one Observer for the stages, and what is read from it. */
import type { Logger } from 'pino';
import type { ArenaUsage } from '../contracts/arena.ts';
import type { Clock } from '../contracts/clock.ts';
import type { DeviceStatus } from '../contracts/device.ts';
import type { Observer, Statistics } from '../contracts/stages.ts';
import { CONTENT_TYPES, type Family, negotiateFormat, writeFamily } from './exposition.ts';
import { modelFamilies, type ModelGauges } from './model-families.ts';
import { createProcessFamilies } from './process-families.ts';
import { Recorder } from './recorder.ts';
import { createRequestLog } from './request-log.ts';
import { serverFamilies } from './server-families.ts';
import { createStatistics } from './statistics.ts';

/** The functions are called once per scrape. */
export interface MetricsOptions {
  readonly clock: Clock;
  /** Milliseconds since 1970, for `last_inference`. */
  readonly wallClock: () => number;
  readonly logger: Logger;
  /** Every model version that is known, as it stands now. */
  readonly models: () => readonly ModelGauges[];
  readonly devices: () => readonly DeviceStatus[];
  readonly arenaUsage: () => ArenaUsage;
  /** Requests that are admitted and not over. */
  readonly admittedRequests: () => number;
}

export interface Metrics {
  readonly observer: Observer;
  readonly statistics: Statistics;
  /** The whole exposition, in the format that the Accept header asks for (clients that ask for nothing get Prometheus text). */
  readonly scrape: (accept?: string) => Promise<{ readonly contentType: string; readonly body: string }>;
}

/** Long texts are written in parts with a turn of the event loop between: 500 busy models must not delay requests. */
const CHUNK_CHARACTERS = 128 * 1024;

export function createMetrics(options: MetricsOptions): Metrics {
  const recorder = new Recorder(options.wallClock);
  const processFamilies = createProcessFamilies();
  return {
    observer: fanOut(recorder, createRequestLog(options.logger, options.clock)),
    statistics: createStatistics(recorder),
    async scrape(accept) {
      const format = negotiateFormat(accept);
      const families: readonly Family[] = [
        ...modelFamilies(recorder, options.models()),
        ...serverFamilies(recorder, { devices: options.devices(), arena: options.arenaUsage(), admittedRequests: options.admittedRequests() }),
        ...(await processFamilies()),
      ];
      let body = '';
      let sinceTurn = 0;
      for (const family of families) {
        const text = writeFamily(family, format);
        body += text;
        sinceTurn += text.length;
        if (sinceTurn < CHUNK_CHARACTERS) continue;
        sinceTurn = 0;
        await new Promise(setImmediate);
      }
      return { contentType: CONTENT_TYPES[format], body: format === 'openmetrics' ? `${body}# EOF\n` : body };
    },
  };
}

/** Tells two observers everything, the first one first. */
function fanOut(first: Observer, second: Observer): Observer {
  return {
    jobSucceeded(event) {
      first.jobSucceeded(event);
      second.jobSucceeded(event);
    },
    jobFailed(event) {
      first.jobFailed(event);
      second.jobFailed(event);
    },
    batchDone(event) {
      first.batchDone(event);
      second.batchDone(event);
    },
    batchLost(event) {
      first.batchLost(event);
      second.batchLost(event);
    },
    refused(event) {
      first.refused(event);
      second.refused(event);
    },
    fallback(event) {
      first.fallback(event);
      second.fallback(event);
    },
  };
}
