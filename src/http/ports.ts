/** What the HTTP front is given, and its settings. */
import type { TensorArena } from '../contracts/arena.ts';
import type { Clock } from '../contracts/clock.ts';
import type { Pipeline } from '../contracts/job.ts';
import type { ModelKey } from '../contracts/model.ts';
import type { RequestStore } from '../contracts/results.ts';
import type { Admission, BatchCosts, DeviceView, Health, ModelRepository, Observer, Statistics } from '../contracts/stages.ts';
import type { NativeModule } from '../native/contract.ts';

/** The part of a pino logger that is used here. */
export interface Log {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The text of /metrics in the format that `accept` asks for. */
export type MetricsPage = (accept: string | undefined) => Promise<{ readonly contentType: string; readonly body: string }>;

export interface HttpDeps {
  readonly admission: Admission;
  readonly arena: TensorArena;
  readonly clock: Clock;
  /** The scheduler's cost table; empty for a model that has had no requests. */
  readonly costs: (key: ModelKey) => readonly BatchCosts[];
  readonly devices: DeviceView;
  readonly health: Health;
  readonly log: Log;
  readonly metrics: MetricsPage;
  readonly native: NativeModule;
  readonly observer: Pick<Observer, 'refused'>;
  readonly pipeline: Pipeline;
  readonly repository: ModelRepository;
  readonly results: RequestStore;
  readonly statistics: Statistics;
}

export interface HttpOptions {
  /** What GET /v2 says. */
  readonly serverName: string;
  readonly serverVersion: string;
  /** Largest body, before and after decompression. */
  readonly maxBodyBytes: number;
  readonly maxJsonDepth: number;
  /** JSON of a request without tensor data. */
  readonly maxEnvelopeBytes: number;
  /** Inputs in one request. */
  readonly maxTensors: number;
  /** How long a request's headers may take to arrive, and the whole request. Both are checked every connectionsCheckingIntervalMs. */
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly connectionsCheckingIntervalMs: number;
  readonly keepAliveTimeoutMs: number;
  /** Open connections; more are closed as they come. */
  readonly maxConnections: number;
  /** Deadline of a request that names none; Infinity for none. */
  readonly requestTimeoutMs: number;
  /** Priority of a request that names none. Clients give 1 (most urgent) and up. */
  readonly defaultPriority: number;
  /** A refused body up to this size is read and dropped, so that its connection can be used again; above, the connection closes. */
  readonly drainBytes: number;
  /** How long a connection that closes on a refused body still takes bytes, so that the client reads the answer before a reset. */
  readonly lingerMs: number;
  /** Shortest time between two `queued` events of one request. */
  readonly eventsIntervalMs: number;
  readonly eventsHeartbeatMs: number;
  /** What clients are told to wait before they connect again. */
  readonly eventsRetryMs: number;
  /** Open event streams. */
  readonly maxEventStreams: number;
}

export const DEFAULT_HTTP_OPTIONS: HttpOptions = Object.freeze({
  serverName: 'sluice',
  serverVersion: '0.0.0',
  maxBodyBytes: 64 * 1024 * 1024,
  maxJsonDepth: 100,
  maxEnvelopeBytes: 1024 * 1024,
  maxTensors: 1024,
  headersTimeoutMs: 10_000,
  bodyTimeoutMs: 30_000,
  connectionsCheckingIntervalMs: 1000,
  keepAliveTimeoutMs: 72_000,
  maxConnections: 16_384,
  requestTimeoutMs: 30_000,
  defaultPriority: 100,
  drainBytes: 1024 * 1024,
  lingerMs: 2000,
  eventsIntervalMs: 200,
  eventsHeartbeatMs: 15_000,
  eventsRetryMs: 2000,
  maxEventStreams: 4096,
});
