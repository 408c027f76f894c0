/** Metric families of models: Triton's names, so that its dashboards work, and histograms in seconds, which it lacks. */
import { type Emit, type Family, labelText, type MetricType } from './exposition.ts';
import { FAILURE_REASONS } from './failure-reason.ts';
import type { Duration, ModelDeviceRecord, ModelRecord, Recorder } from './recorder.ts';

/** A model version that is known, as it stands now. */
export interface ModelGauges {
  readonly name: string;
  readonly version: string;
  readonly ready: boolean;
  /** Requests that wait in the queue. */
  readonly pendingRequests: number;
}

type EmitModel = (record: ModelRecord, emit: Emit) => void;
type EmitDevice = (record: ModelDeviceRecord, emit: Emit) => void;

/** Families of the models that are known now, and counters of those that were once. */
export function modelFamilies(recorder: Recorder, models: readonly ModelGauges[]): readonly Family[] {
  // Makes the records of models that have had no request yet, so that their counters start at 0.
  const known = models.map((model) => ({ model, labels: recorder.record(`${model.name}/${model.version}`).labels }));
  const perModel = (name: string, type: MetricType, help: string, sample: EmitModel): Family => ({
    name,
    type,
    help,
    samples(emit) {
      for (const record of recorder.records.values()) sample(record, emit);
    },
  });
  const counter = (name: string, help: string, read: (record: ModelRecord) => number): Family =>
    perModel(name, 'counter', help, (record, emit) => {
      emit(record.labels, read(record));
    });
  const microseconds = (name: string, what: string, read: (record: ModelRecord) => Duration): Family =>
    counter(name, `Cumulative ${what} of successful requests, in microseconds.`, (record) => Math.round(read(record).ms * 1e3));
  const perDevice = (name: string, type: MetricType, help: string, sample: EmitDevice): Family =>
    perModel(name, type, help, (record, emit) => {
      for (const device of record.devices.values()) sample(device, emit);
    });
  const deviceCounter = (name: string, help: string, read: (record: ModelDeviceRecord) => number): Family =>
    perDevice(name, 'counter', help, (record, emit) => {
      emit(record.labels, read(record));
    });
  const gauge = (name: string, help: string, read: (model: ModelGauges) => number): Family => ({
    name,
    type: 'gauge',
    help,
    samples(emit) {
      for (const { model, labels } of known) emit(labels, read(model));
    },
  });

  return [
    gauge('nv_inference_pending_request_count', 'Requests that wait in the queue.', (model) => model.pendingRequests),
    gauge('sluice_model_ready', 'Whether the model version serves: 1 or 0.', (model) => (model.ready ? 1 : 0)),
    counter('nv_inference_request_success', 'Successful requests.', (record) => record.success.count),
    perModel('nv_inference_request_failure', 'counter', 'Failed requests, by reason.', (record, emit) => {
      for (const reason of FAILURE_REASONS) emit(`${record.labels},reason="${reason}"`, record.failures[reason]);
    }),
    counter('nv_inference_count', 'Rows of successful requests.', (record) => record.rows),
    counter('nv_inference_exec_count', 'Batches that ran.', (record) => record.batches),
    microseconds('nv_inference_request_duration_us', 'duration', (record) => record.success),
    microseconds('nv_inference_queue_duration_us', 'queue time', (record) => record.queue),
    microseconds('nv_inference_compute_input_duration_us', 'time of gathering inputs', (record) => record.computeInput),
    microseconds('nv_inference_compute_infer_duration_us', 'time of running the model', (record) => record.computeInfer),
    microseconds('nv_inference_compute_output_duration_us', 'time of storing outputs', (record) => record.computeOutput),
    perModel('sluice_queue_seconds', 'histogram', 'Queue time of successful requests.', (record, emit) => {
      if (record.success.count > 0) emit(record.labels, record.queueSeconds);
    }),
    perModel('sluice_request_seconds', 'histogram', 'Time of successful requests, from being accepted to the answer.', (record, emit) => {
      if (record.success.count > 0) emit(record.labels, record.requestSeconds);
    }),
    perModel('sluice_queue_prediction_error_ratio', 'histogram', 'How wrong the predicted wait of successful requests was, over the wait itself or 25 ms, whichever is longer.', (record, emit) => {
      if (record.success.count > 0) emit(record.labels, record.queuePredictionError);
    }),
    perModel('sluice_request_failures_total', 'counter', 'Requests that were accepted and failed, by error code.', (record, emit) => {
      for (const [code, count] of record.failureCodes) emit(`${record.labels},code="${code}"`, count);
    }),
    perModel('sluice_batch_release_total', 'counter', 'Batches, by what released them to a device.', (record, emit) => {
      for (const [reason, count] of record.releases) emit(`${record.labels},${labelText({ reason })}`, count);
    }),
    perDevice('sluice_compute_seconds', 'histogram', 'Time of batches in the device host: inputs, model, outputs.', (record, emit) => {
      if (record.computeSeconds.count > 0) emit(record.labels, record.computeSeconds);
    }),
    perDevice('sluice_batch_rows', 'histogram', 'Rows of batches, without padding.', (record, emit) => {
      if (record.batchRows.count > 0) emit(record.labels, record.batchRows);
    }),
    deviceCounter('sluice_batch_padding_rows_total', 'Rows added to reach a warmed batch size.', (record) => record.paddingRows),
    deviceCounter('sluice_batch_predicted_seconds_total', 'Time that the scheduler predicted for batches; compare sluice_compute_seconds_sum.', (record) => record.predictedMs / 1e3),
    deviceCounter('sluice_batch_copied_bytes_total', 'Input bytes copied to assemble batches.', (record) => record.copiedBytes),
    deviceCounter('sluice_batch_lost_total', 'Batches that a dying device took with it.', (record) => record.lostBatches),
    deviceCounter('sluice_fallback_total', 'Times that the model could not use the device and went elsewhere.', (record) => record.fallbacks),
  ];
}
