/** What a device needs from the rest of the process. */
import type { TensorArena } from '../contracts/arena.ts';
import type { Clock } from '../contracts/clock.ts';
import type { DeviceListener, GpuInfo } from '../contracts/device.ts';
import type { NativeModule } from '../native/contract.ts';
import type { HostEvents, HostSpawn } from './process.ts';
import type { FrontMessage } from './protocol.ts';

/** The part of pino that devices use. */
export interface DeviceLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A running host; HostProcess, or a test's. */
export interface Host {
  readonly pid: number | null;
  send(message: FrontMessage): void;
  kill(): void;
  recentOutput(): string;
}

export interface DevicePorts {
  /** Inputs and outputs, and the ring; each device holds one lease for the ring until it is stopped. */
  readonly arena: TensorArena;
  readonly native: Pick<NativeModule, 'kind' | 'shared'>;
  readonly clock: Clock;
  readonly listener: DeviceListener;
  readonly log: DeviceLog;
  /** What hosts inherit: nothing but these. */
  readonly environment: Readonly<Record<string, string>>;
  /** Folders in which GPU hosts look for CUDA's libraries first. */
  readonly libraryPath: readonly string[];
  /** Flags for the hosts' Node. */
  readonly execArgv?: readonly string[];
  /** Live figures of a GPU, for status(). */
  readonly readGpu?: (uuid: string) => GpuInfo | null;
  /** The hosts' program; by default the compiled one of this package. */
  readonly entry?: string;
  readonly spawn?: (options: HostSpawn, events: HostEvents) => Host;
  /** Numbers in [0, 1), for jitter. */
  readonly random?: () => number;
}
