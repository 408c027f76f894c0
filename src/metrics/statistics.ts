/** The records read as Triton's statistics extension. */
import { parseModelKey, type ModelKey } from '../contracts/model.ts';
import type { DurationStat, ModelStatistics, Statistics } from '../contracts/stages.ts';
import type { Duration, ModelRecord, Recorder } from './recorder.ts';

/**
 * Statistics over a recorder. As in Triton: `inferenceCount` counts rows of successful requests, `executionCount`
 * batches that ran, `batches` the executions of each batch size (padding not counted), ascending; a refused request
 * is a failure that took no time; `lastInferenceMs` is wall-clock time.
 */
export function createStatistics(recorder: Recorder): Statistics {
  return {
    of(key: ModelKey): ModelStatistics | null {
      const { name, version } = parseModelKey(key);
      const record = recorder.records.get(`${name}/${version}`);
      if (record === undefined || record.success.count + record.fail.count + record.batches === 0) return null;
      return readRecord(record);
    },
  };
}

function readRecord(record: ModelRecord): ModelStatistics {
  return {
    name: record.name,
    version: record.version,
    lastInferenceMs: record.lastInferenceMs,
    inferenceCount: record.rows,
    executionCount: record.batches,
    success: readDuration(record.success),
    fail: readDuration(record.fail),
    queue: readDuration(record.queue),
    computeInput: readDuration(record.computeInput),
    computeInfer: readDuration(record.computeInfer),
    computeOutput: readDuration(record.computeOutput),
    batches: [...record.batchSizes]
      .sort(([left], [right]) => left - right)
      .map(([batchSize, size]) => ({
        batchSize,
        computeInput: readDuration(size.computeInput),
        computeInfer: readDuration(size.computeInfer),
        computeOutput: readDuration(size.computeOutput),
      })),
  };
}

/** Whole nanoseconds: clients read them into integers. */
function readDuration(duration: Duration): DurationStat {
  return { count: duration.count, ns: Math.round(duration.ms * 1e6) };
}
