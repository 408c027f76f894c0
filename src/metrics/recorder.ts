/**
 * Counts what the stages tell, in plain numbers, one record per model version. Statistics and the Prometheus text are
 * two readings of the same records, so a request is counted once. Records live as long as the server and outlive a
 * reload of their version: a counter that vanishes and comes back reads as a restart. Their number is bounded by the
 * repository, never by clients.
 */
import { parseModelKey, type ModelKey } from '../contracts/model.ts';
import type { Observer } from '../contracts/stages.ts';
import type { ErrorCode } from '../errors.ts';
import { labelText } from './exposition.ts';
import { FAILURE_REASON_OF, type FailureReason } from './failure-reason.ts';
import { ERROR_BOUNDS, Histogram, ROWS_BOUNDS, SECONDS_BOUNDS } from './histogram.ts';

type JobSucceeded = Parameters<Observer['jobSucceeded']>[0];
type BatchDone = Parameters<Observer['batchDone']>[0];

/** A fifth of it is 5 ms: nobody minds when a start is predicted that exactly. */
const LEAST_TRUTH_MS = 25;

/** How often something happened and how long it took in all. */
export class Duration {
  count = 0;
  ms = 0;

  add(ms: number): void {
    this.count += 1;
    if (ms > 0) this.ms += ms;
  }
}

/** Executions of one batch size. */
export class BatchSizeRecord {
  readonly computeInput = new Duration();
  readonly computeInfer = new Duration();
  readonly computeOutput = new Duration();
}

/** What one model did on one device. */
export class ModelDeviceRecord {
  readonly labels: string;
  readonly batchRows = new Histogram(ROWS_BOUNDS);
  readonly computeSeconds = new Histogram(SECONDS_BOUNDS);
  paddingRows = 0;
  predictedMs = 0;
  copiedBytes = 0;
  lostBatches = 0;
  fallbacks = 0;

  constructor(labels: string) {
    this.labels = labels;
  }
}

export class ModelRecord {
  readonly name: string;
  readonly version: string;
  readonly labels: string;
  lastInferenceMs = 0;
  rows = 0;
  batches = 0;
  readonly success = new Duration();
  readonly fail = new Duration();
  readonly queue = new Duration();
  readonly computeInput = new Duration();
  readonly computeInfer = new Duration();
  readonly computeOutput = new Duration();
  readonly queueSeconds = new Histogram(SECONDS_BOUNDS);
  readonly queuePredictionError = new Histogram(ERROR_BOUNDS);
  readonly requestSeconds = new Histogram(SECONDS_BOUNDS);
  readonly failures: Record<FailureReason, number> = { REJECTED: 0, CANCELED: 0, BACKEND: 0, OTHER: 0 };
  readonly failureCodes = new Map<ErrorCode, number>();
  readonly batchSizes = new Map<number, BatchSizeRecord>();
  readonly devices = new Map<string, ModelDeviceRecord>();
  readonly releases = new Map<string, number>();

  constructor(name: string, version: string) {
    this.name = name;
    this.version = version;
    this.labels = labelText({ model: name, version });
  }

  device(device: string): ModelDeviceRecord {
    let record = this.devices.get(device);
    if (record === undefined) {
      record = new ModelDeviceRecord(`${this.labels},${labelText({ device })}`);
      this.devices.set(device, record);
    }
    return record;
  }
}

export class Recorder implements Observer {
  /** By `name/version`. */
  readonly records = new Map<string, ModelRecord>();
  /** Refusals by code, of requests that never became jobs. */
  readonly refusals = new Map<ErrorCode, number>();
  readonly #wallClock: () => number;
  /** Saves parsing a key per request; all revisions of a version lead to one record. */
  readonly #byKey = new Map<ModelKey, ModelRecord>();

  constructor(wallClock: () => number) {
    this.#wallClock = wallClock;
  }

  /** The record of a model version, made when it is new. */
  record(key: ModelKey): ModelRecord {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const { name, version } = parseModelKey(key);
    const place = `${name}/${version}`;
    const record = this.records.get(place) ?? new ModelRecord(name, version);
    this.records.set(place, record);
    this.#byKey.set(key, record);
    return record;
  }

  jobSucceeded(event: JobSucceeded): void {
    const { timings } = event;
    const record = this.record(event.model);
    record.lastInferenceMs = this.#wallClock();
    record.rows += event.rows;
    record.success.add(timings.totalMs);
    record.queue.add(timings.queueMs);
    record.computeInput.add(timings.computeInputMs);
    record.computeInfer.add(timings.computeInferMs);
    record.computeOutput.add(timings.computeOutputMs);
    record.queueSeconds.observe(timings.queueMs / 1e3);
    record.queuePredictionError.observe(Math.abs(event.predictedQueueMs - timings.queueMs) / Math.max(timings.queueMs, LEAST_TRUTH_MS));
    record.requestSeconds.observe(timings.totalMs / 1e3);
  }

  jobFailed(event: Parameters<Observer['jobFailed']>[0]): void {
    const record = this.record(event.model);
    const { code } = event.error;
    record.lastInferenceMs = this.#wallClock();
    record.fail.add(event.totalMs);
    record.failures[FAILURE_REASON_OF[code]] += 1;
    increment(record.failureCodes, code);
  }

  batchDone(event: BatchDone): void {
    const record = this.record(event.model);
    record.batches += 1;
    let size = record.batchSizes.get(event.rows);
    if (size === undefined) {
      size = new BatchSizeRecord();
      record.batchSizes.set(event.rows, size);
    }
    size.computeInput.add(event.inputMs);
    size.computeInfer.add(event.inferMs);
    size.computeOutput.add(event.outputMs);
    increment(record.releases, event.reason);
    const device = record.device(event.device);
    device.batchRows.observe(event.rows);
    device.computeSeconds.observe((event.inputMs + event.inferMs + event.outputMs) / 1e3);
    device.paddingRows += Math.max(0, event.paddedRows - event.rows);
    if (event.predictedMs > 0) device.predictedMs += event.predictedMs;
    device.copiedBytes += event.copiedBytes;
  }

  batchLost(event: Parameters<Observer['batchLost']>[0]): void {
    this.record(event.model).device(event.device).lostBatches += 1;
  }

  refused(event: Parameters<Observer['refused']>[0]): void {
    const { code } = event.error;
    increment(this.refusals, code);
    if (event.model === null) return;
    const record = this.record(event.model);
    record.fail.add(0);
    record.failures[FAILURE_REASON_OF[code]] += 1;
  }

  fallback(event: Parameters<Observer['fallback']>[0]): void {
    this.record(event.model).device(event.device).fallbacks += 1;
  }
}

function increment<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

