import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { Observer } from '../../../src/contracts/stages.ts';
import { SluiceError } from '../../../src/errors.ts';
import { createRequestLog } from '../../../src/metrics/request-log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { batchDone, jobSucceeded } from './events.ts';

type Line = Readonly<Record<string, unknown>>;

const LEVELS: Readonly<Record<number, string>> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error' };

function build(level: string): { log: Observer; clock: FakeClock; lines: () => Line[] } {
  const written: string[] = [];
  const logger = pino({ level, base: null, timestamp: false }, { write: (line: string) => written.push(line) });
  const clock = new FakeClock();
  const lines = (): Line[] => written.splice(0).map((line) => {
    const parsed = JSON.parse(line) as { level: number };
    return { ...parsed, level: LEVELS[parsed.level] };
  });
  return { log: createRequestLog(logger, clock), clock, lines };
}

function failed(log: Observer, error: SluiceError, model = 'text/1'): void {
  log.jobFailed({ model, id: 'r1', error, totalMs: 3.00049 });
}

describe('the request log', () => {
  it('writes a success at debug, with id, model, batch, device and timings', () => {
    const { log, lines } = build('debug');
    log.jobSucceeded(jobSucceeded());
    expect(lines()).toEqual([{
      level: 'debug', msg: 'request done', req_id: 'r1', model: 'text/1', rows: 1, device: 'cpu', batch_rows: 4,
      queue_ms: 2, compute_input_ms: 0.25, compute_infer_ms: 4, compute_output_ms: 0.5, total_ms: 8,
    }]);
  });

  it('writes no success and no batch at info', () => {
    const { log, lines } = build('info');
    log.jobSucceeded(jobSucceeded());
    log.batchDone(batchDone());
    expect(lines()).toEqual([]);
  });

  it('writes batches at trace', () => {
    const { log, lines } = build('trace');
    log.batchDone(batchDone());
    expect(lines()).toMatchObject([{ level: 'trace', msg: 'batch done', device: 'cpu', rows: 4, release: 'full' }]);
  });

  it.each([
    ['BAD_TENSOR', 'info'],
    ['CANCELLED', 'info'],
    ['DEVICE_LOST', 'warn'],
    ['DEADLINE_PASSED', 'warn'],
    ['INTERNAL', 'error'],
  ] as const)('writes %s at %s', (code, level) => {
    const { log, lines } = build('info');
    failed(log, new SluiceError(code, 'what happened'));
    expect(lines()).toMatchObject([{ level, msg: 'request failed', req_id: 'r1', model: 'text/1', error_code: code, error_message: 'what happened', total_ms: 3 }]);
  });

  it('keeps the cause of our own bugs, and no stack of anything else', () => {
    const { log, lines } = build('info');
    failed(log, new SluiceError('INTERNAL', 'internal error', { cause: new TypeError('x is undefined') }));
    failed(log, new SluiceError('DEVICE_LOST', 'lost', { cause: new Error('a path') }));
    const [bug, lost] = lines();
    expect(bug?.['cause']).toContain('TypeError: x is undefined\n    at ');
    expect(lost).not.toHaveProperty('cause');
  });

  it('writes a flood of one failure once a second, with how many were left out', () => {
    const { log, clock, lines } = build('info');
    const full = new SluiceError('OVERLOADED', 'full', { retryAfterMs: 12.34567 });
    for (let request = 0; request < 100; request += 1) log.refused({ model: 'text/1', error: full });
    log.refused({ model: 'other/1', error: full });
    expect(lines()).toMatchObject([{ level: 'warn', msg: 'request refused', model: 'text/1', retry_after_ms: 12.346 }, { model: 'other/1' }]);
    clock.advance(1_000);
    log.refused({ model: 'text/1', error: full });
    expect(lines()).toMatchObject([{ model: 'text/1', suppressed: 99 }]);
    clock.advance(1_000);
    log.refused({ model: 'text/1', error: full });
    expect(lines()[0]).not.toHaveProperty('suppressed');
  });

  it('never leaves out a bug of ours', () => {
    const { log, lines } = build('info');
    for (let request = 0; request < 3; request += 1) failed(log, new SluiceError('INTERNAL', 'bug'));
    expect(lines()).toHaveLength(3);
  });

  it('writes a batch that its device took with it, always', () => {
    const { log, lines } = build('error');
    log.batchLost({ model: 'text/1', device: 'gpu:0', reason: 'killed at its budget' });
    expect(lines()).toMatchObject([{ level: 'error', msg: 'batch lost with its device', device: 'gpu:0', reason: 'killed at its budget' }]);
  });

  it('writes nothing but the fields that are named', () => {
    const { log, lines } = build('debug');
    const withSecrets = { ...jobSucceeded(), headers: { authorization: 'canary' }, inputs: ['canary'] };
    log.jobSucceeded(withSecrets);
    failed(log, new SluiceError('BAD_TENSOR', 'x'.repeat(2_000)));
    const [success, failure] = lines();
    expect(JSON.stringify(success)).not.toContain('canary');
    expect(String(failure?.['error_message'])).toHaveLength(500);
  });
});
