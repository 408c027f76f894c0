/**
 * What the benchmark runs, as data. Numbers that decide the result (rounds, seconds, connections) stand here; how a
 * server is started stands in servers.ts, what counts as passed in bars.ts.
 */
import type { WireFormat } from './wire.ts';

export const SERVERS = ['handler', 'piscina', 'fastapi', 'sluice'] as const;
export type ServerName = (typeof SERVERS)[number];

/** The limit stands beside the servers in every round: the same model in a bare loop, without HTTP. */
export const CONTENDERS = ['bare', ...SERVERS] as const;
export type ContenderName = (typeof CONTENDERS)[number];

export const FORMATS = ['binary', 'json'] as const satisfies readonly WireFormat[];
export const CONNECTIONS: readonly number[] = [8, 64];
export const BARE_BATCHES: readonly number[] = [1, 4];

/** Everything runs on this many cores, the load generator included. */
export const CORES = 2;

/** Different inputs, all drawn from one seed. 64 connections × 4 each. */
export const INPUTS = { count: 256, seed: 20_260_701 } as const;

const ROUNDS = 3;
const SECONDS = 6;
/** V8 compiles the hot path within some thousand requests; before that, a server is measured that nobody runs for long. */
const WARM_UP_SECONDS = 4;

/** Overload is offered in the binary format, as multiples of the server's own peak in the same run. */
export const OVERLOAD = {
  multiples: [2, 5],
  deadlineMs: 1000,
  /** 5 × 2,000 a second × 1 s would be 10,000 connections of 110 KB; a client of any sense has a limit. */
  maxConnections: 4096,
  maxRecoverySeconds: 10,
  seed: 7,
} as const;

export interface ClosedLoopScenario {
  readonly kind: 'closed';
  readonly server: ServerName;
  readonly format: WireFormat;
  readonly connections: number;
}

export interface BareScenario {
  readonly kind: 'bare';
  readonly batch: number;
}

export interface OverloadScenario {
  readonly kind: 'overload';
  readonly server: ServerName;
  readonly multiple: number;
}

/** What of all that a run is asked for. */
export interface Selection {
  readonly contenders: readonly ContenderName[];
  readonly formats: readonly WireFormat[];
  readonly connections: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly overload: boolean;
}

export const FULL_RUN: Selection = {
  contenders: CONTENDERS,
  formats: FORMATS,
  connections: CONNECTIONS,
  rounds: ROUNDS,
  seconds: SECONDS,
  warmUpSeconds: WARM_UP_SECONDS,
  overload: true,
};

/** A look in some minutes whose numbers prove nothing: one short round. */
export const QUICK_RUN: Selection = { ...FULL_RUN, rounds: 1, seconds: 2, warmUpSeconds: 1, overload: false };

/** One round of closed-loop trials. Servers alternate under each load, so that drift of the machine meets them all. */
export function closedLoopRound(selection: Selection): (BareScenario | ClosedLoopScenario)[] {
  const servers = SERVERS.filter((name) => selection.contenders.includes(name));
  return [
    ...(selection.contenders.includes('bare') ? BARE_BATCHES.map((batch) => ({ kind: 'bare', batch }) as const) : []),
    ...selection.formats.flatMap((format) =>
      selection.connections.flatMap((connections) =>
        servers.map((server) => ({ kind: 'closed', server, format, connections }) as const))),
  ];
}

/** One round of overload trials. */
export function overloadRound(selection: Selection): OverloadScenario[] {
  const servers = SERVERS.filter((name) => selection.contenders.includes(name));
  return OVERLOAD.multiples.flatMap((multiple) => servers.map((server) => ({ kind: 'overload', server, multiple }) as const));
}

/** True when the run has everything that the README's table and the bars of the project are made from. */
export function isFullRun(selection: Selection): boolean {
  const covers = <Value>(all: readonly Value[], some: readonly Value[]): boolean => all.every((value) => some.includes(value));
  return covers(CONTENDERS, selection.contenders)
    && covers(FORMATS, selection.formats)
    && covers(CONNECTIONS, selection.connections)
    && selection.rounds >= ROUNDS
    && selection.seconds >= SECONDS
    && selection.overload;
}
