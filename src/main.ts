/** The server as a process: settings → app → listen → models → signals. `sluice serve` calls it. */
import { buildApp, type App } from './app.ts';
import { loadConfig } from './config/load.ts';
import { createLogger } from './logger.ts';
import type { LoadProgress } from './repository/repository.ts';
import { packageVersion } from './version.ts';

export interface ServeOptions {
  /** Told of each step while models load, for a progress line. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

/**
 * Starts the server and resolves once its models have loaded, or failed to; it then runs until a signal.
 * The first SIGTERM or SIGINT drains and exits with 0; a second one ends everything at once.
 * Throws a SluiceError when it can't start: CONFIG_INVALID names the setting.
 */
export async function serve(options: ServeOptions = {}): Promise<void> {
  const config = loadConfig();
  const log = createLogger(config.logLevel, config.logFormat);
  const app = buildApp(config, log, packageVersion());
  stopOnSignals(app, config.shutdownGraceMs);
  try {
    const url = await app.listen();
    log.info({ url, pid: process.pid }, 'listening');
    await app.loadModels(options.onProgress ?? (() => undefined));
  } catch (error) {
    app.destroy();
    throw error;
  }

  function stopOnSignals(running: App, graceMs: number): void {
    let stopping = false;
    const stop = (signal: 'SIGTERM' | 'SIGINT', code: number): void => {
      if (stopping) {
        log.warn({ signal }, 'stopping at once');
        running.destroy();
        process.exit(code);
      }
      stopping = true;
      log.info({ signal, graceMs }, 'stopping');
      const overdue = setTimeout(() => {
        log.error({ graceMs }, 'accepted work was not finished in time: SHUTDOWN_GRACE_MS');
        running.destroy();
        process.exit(1);
      }, graceMs);
      void running.close().then(() => {
        clearTimeout(overdue);
        log.info({}, 'stopped');
        process.exitCode = 0;
        log.flush(() => process.exit());
      }, (error: unknown) => {
        log.error({ err: error }, 'stopping failed');
        running.destroy();
        process.exit(1);
      });
    };
    process.on('SIGTERM', () => { stop('SIGTERM', 143); });
    process.on('SIGINT', () => { stop('SIGINT', 130); });
  }
}
