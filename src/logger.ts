/** The process's logger: JSON lines for machines, lines for people on a terminal. */
import { destination, pino, type Logger } from 'pino';
import pretty from 'pino-pretty';
import type { Config } from './config/load.ts';

export type { Logger };

/** Writes to standard output without blocking the event loop; lines that wait are written when the process exits. */
export function createLogger(level: Config['logLevel'], format: Config['logFormat']): Logger {
  const options = { level, base: null, timestamp: (): string => `,"time":"${new Date().toISOString()}"` };
  const forPeople = format === 'pretty' || (format === 'auto' && process.stdout.isTTY);
  if (forPeople) return pino(options, pretty({ translateTime: 'HH:MM:ss.l', ignore: 'pid,hostname', singleLine: true, sync: true }));
  return pino(options, destination({ dest: 1, sync: false, minLength: 0 }));
}
