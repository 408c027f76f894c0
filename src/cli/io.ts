/** Where a command reads and writes: the process's own streams, or a test's. */
export interface CliIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Whether `out` is a terminal. */
  readonly interactive: boolean;
}

/** A mistake in how a command was called: exit code 2. Everything else that fails is 1. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A failure that the message explains fully. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}
