/**
 * Log lines about requests and batches. Fields are written one by one: what is not named here (tensors, headers, bodies)
 * can't get into the log. A success is logged at debug and costs one comparison when debug is off.
 */
import type { Logger } from 'pino';
import type { Clock } from '../contracts/clock.ts';
import type { Observer } from '../contracts/stages.ts';
import type { SluiceError } from '../errors.ts';

/** Five times the peak is some 8,000 refusals a second: one line per model and code each second tells the same. */
const REPEAT_INTERVAL_MS = 1_000;

/** Messages may quote what a client sent, shortened already; this is the last bound. */
const MAX_MESSAGE_LENGTH = 500;

interface Repeated {
  loggedMs: number;
  suppressed: number;
}

/**
 * Levels: batches trace, successes debug, clients' mistakes info, other failures and refusals warn, bugs of ours error.
 * Failures of one model and code are logged once a second, with `suppressed`: how many were left out since the last line.
 * Bugs of ours are always logged.
 */
export function createRequestLog(logger: Logger, clock: Clock): Observer {
  const repeats = new Map<string, Repeated>();

  /** How many lines were left out since the last one, or null when this one is to be left out. */
  function suppressedBefore(kind: string): number | null {
    const nowMs = clock.nowMs();
    const repeated = repeats.get(kind);
    if (repeated === undefined) {
      repeats.set(kind, { loggedMs: nowMs, suppressed: 0 });
      return 0;
    }
    if (nowMs - repeated.loggedMs < REPEAT_INTERVAL_MS) {
      repeated.suppressed += 1;
      return null;
    }
    const { suppressed } = repeated;
    repeated.loggedMs = nowMs;
    repeated.suppressed = 0;
    return suppressed;
  }

  function logFailure(model: string | null, error: SluiceError, fields: Readonly<Record<string, unknown>>, text: string): void {
    const level = levelOf(error);
    if (!logger.isLevelEnabled(level)) return;
    const suppressed = level === 'error' ? 0 : suppressedBefore(`${text} ${model ?? ''} ${error.code}`);
    if (suppressed === null) return;
    logger[level](
      {
        model,
        ...fields,
        error_code: error.code,
        error_message: error.message.slice(0, MAX_MESSAGE_LENGTH),
        ...(error.retryAfterMs === null ? {} : { retry_after_ms: round(error.retryAfterMs) }),
        ...(suppressed === 0 ? {} : { suppressed }),
        ...(level === 'error' ? { cause: describeCause(error) } : {}),
      },
      text,
    );
  }

  return {
    jobSucceeded(event) {
      if (!logger.isLevelEnabled('debug')) return;
      const { timings } = event;
      logger.debug(
        {
          req_id: event.id,
          model: event.model,
          rows: event.rows,
          device: event.device,
          batch_rows: event.batchRows,
          queue_ms: round(timings.queueMs),
          compute_input_ms: round(timings.computeInputMs),
          compute_infer_ms: round(timings.computeInferMs),
          compute_output_ms: round(timings.computeOutputMs),
          total_ms: round(timings.totalMs),
        },
        'request done',
      );
    },
    jobFailed(event) {
      logFailure(event.model, event.error, { req_id: event.id, total_ms: round(event.totalMs) }, 'request failed');
    },
    batchDone(event) {
      if (!logger.isLevelEnabled('trace')) return;
      logger.trace(
        {
          model: event.model,
          device: event.device,
          rows: event.rows,
          padded_rows: event.paddedRows,
          release: event.reason,
          predicted_ms: round(event.predictedMs),
          input_ms: round(event.inputMs),
          infer_ms: round(event.inferMs),
          output_ms: round(event.outputMs),
          copied_bytes: event.copiedBytes,
        },
        'batch done',
      );
    },
    batchLost(event) {
      logger.error({ model: event.model, device: event.device, reason: event.reason }, 'batch lost with its device');
    },
    refused(event) {
      logFailure(event.model, event.error, {}, 'request refused');
    },
    fallback() {
      // The repository logs it, with the devices that serve instead.
    },
  };
}

/** By status, so that a new row of the table gets its level too. */
function levelOf(error: SluiceError): 'info' | 'warn' | 'error' {
  if (error.status === 500) return 'error';
  return error.status < 500 ? 'info' : 'warn';
}

function describeCause(error: SluiceError): string {
  const { cause } = error;
  if (cause instanceof Error) return cause.stack ?? cause.message;
  return typeof cause === 'string' ? cause : (error.stack ?? error.message);
}

/** Microseconds are as fine as anything here is measured. */
function round(ms: number): number {
  return Math.round(ms * 1e3) / 1e3;
}
