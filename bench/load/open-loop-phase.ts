import type { Dataset } from '../inputs/dataset.ts';
import { compareAnswer, readAnswer } from '../wire.ts';
import { createArrivals } from './arrivals.ts';
import { Connection } from './connection.ts';
import type { ConnectionOwner } from './connection.ts';
import type { ParsedResponse } from './response-parser.ts';

export interface OpenLoopTarget {
  readonly url: URL;
  readonly dataset: Dataset;
  /** One finished request per input of the data set. */
  readonly requests: readonly Buffer[];
}

export interface OpenLoopSettings {
  readonly ratePerSecond: number;
  readonly seconds: number;
  /** After this time since the arrival the client gives up and closes its connection. */
  readonly deadlineMs: number;
  /** An arrival that finds this many connections busy cannot be sent, and counts as not answered. */
  readonly maxConnections: number;
  readonly seed: number;
}

/** Shortest wait of setTimeout. At 10,000 arrivals a second ten of them go out together. */
const TICK_MS = 1;
const READ_BUFFER_BYTES = 64 * 1024;
const MAX_PROBLEMS = 5;

/** Sends requests at the times of a Poisson process, whatever the server does, and says what became of each. */
export class OpenLoopPhase implements ConnectionOwner {
  readonly goodLatenciesMs: number[] = [];
  readonly statusCounts: Record<string, number> = {};
  readonly wrongAnswers: string[] = [];
  readonly connectionErrors: Record<string, number> = {};
  unsent = 0;
  timedOut = 0;
  /** Longest time by which the generator itself was late. */
  maxLagMs = 0;

  readonly #target: OpenLoopTarget;
  readonly #settings: OpenLoopSettings;
  readonly #arrivalsMs: Float64Array;
  readonly #carriers: (Connection | undefined)[];
  readonly #idle: Connection[] = [];
  readonly #open = new Set<Connection>();
  readonly #readBuffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);
  #startMs = 0;
  #sent = 0;
  #oldest = 0;

  constructor(target: OpenLoopTarget, settings: OpenLoopSettings) {
    this.#target = target;
    this.#settings = settings;
    this.#arrivalsMs = drawArrivals(settings);
    this.#carriers = new Array<Connection | undefined>(this.#arrivalsMs.length);
  }

  get offered(): number {
    return this.#arrivalsMs.length;
  }

  /** Runs the load. Both promises end by themselves: the first at the last arrival, the second a deadline later at most. */
  run(): { readonly lastArrival: Promise<void>; readonly settled: Promise<void> } {
    this.#startMs = performance.now();
    const lastArrival = this.#ticksUntil(() => this.#sent === this.offered);
    const settled = lastArrival.then(() => this.#ticksUntil(() => this.#oldest === this.offered)).then(() => { this.#close(); });
    return { lastArrival, settled };
  }

  answered(connection: Connection, request: number, response: ParsedResponse, free: boolean): void {
    this.#carriers[request] = undefined;
    if (free) this.#idle.push(connection);
    this.statusCounts[response.status] = (this.statusCounts[response.status] ?? 0) + 1;
    if (response.status !== 200) return;
    const latencyMs = performance.now() - this.#startMs - (this.#arrivalsMs[request] ?? NaN);
    const input = request % this.#target.dataset.count;
    const problem = compareAnswer(readAnswer(response.inferenceHeaderLength, response.body), this.#target.dataset.expected(input));
    if (problem === null) this.goodLatenciesMs.push(latencyMs);
    else if (this.wrongAnswers.length < MAX_PROBLEMS) this.wrongAnswers.push(`input ${input}: ${problem}`);
  }

  freed(connection: Connection): void {
    this.#idle.push(connection);
  }

  failed(request: number, error: Error): void {
    this.#carriers[request] = undefined;
    const kind = (error as NodeJS.ErrnoException).code ?? error.message;
    this.connectionErrors[kind] = (this.connectionErrors[kind] ?? 0) + 1;
  }

  closed(connection: Connection): void {
    this.#open.delete(connection);
  }

  async #ticksUntil(done: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const tick = (): void => {
        const nowMs = performance.now() - this.#startMs;
        this.#sendDue(nowMs);
        this.#giveUpOn(nowMs - this.#settings.deadlineMs);
        if (done()) resolve();
        else setTimeout(tick, TICK_MS);
      };
      tick();
    });
  }

  #sendDue(nowMs: number): void {
    for (; this.#sent < this.offered; this.#sent += 1) {
      const lagMs = nowMs - (this.#arrivalsMs[this.#sent] ?? Infinity);
      if (lagMs < 0) return;
      if (lagMs > this.maxLagMs) this.maxLagMs = lagMs;
      this.#send(this.#sent);
    }
  }

  #send(request: number): void {
    const connection = this.#takeConnection();
    if (connection === null) {
      this.unsent += 1;
      return;
    }
    this.#carriers[request] = connection;
    connection.send(request, this.#target.requests[request % this.#target.requests.length] ?? Buffer.alloc(0));
  }

  /** The connection used last, as its memory is still warm; a new one where none is idle. */
  #takeConnection(): Connection | null {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (this.#open.has(idle) && !idle.ended) return idle;
    }
    if (this.#open.size >= this.#settings.maxConnections) return null;
    const connection = new Connection(this.#target.url, this.#readBuffer, this);
    this.#open.add(connection);
    return connection;
  }

  /** Requests wait in the order of their arrival and all have the same deadline, so one pointer is the timer of all. */
  #giveUpOn(arrivedBeforeMs: number): void {
    for (; this.#oldest < this.#sent; this.#oldest += 1) {
      const carrier = this.#carriers[this.#oldest];
      if (carrier === undefined) continue; // answered, failed or never sent
      if ((this.#arrivalsMs[this.#oldest] ?? Infinity) > arrivedBeforeMs) return;
      this.#carriers[this.#oldest] = undefined;
      this.timedOut += 1;
      carrier.destroy();
    }
  }

  #close(): void {
    for (const connection of this.#open) connection.destroy();
  }
}

function drawArrivals({ ratePerSecond, seconds, seed }: OpenLoopSettings): Float64Array {
  const next = createArrivals(ratePerSecond, seed);
  const arrivalsMs: number[] = [];
  for (let atMs = next(); atMs < seconds * 1000; atMs = next()) arrivalsMs.push(atMs);
  return Float64Array.from(arrivalsMs);
}
