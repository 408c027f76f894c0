/** Loads one model version on every device that can serve it. */
import type { Device, DeviceId } from '../contracts/device.ts';
import type { Batching, LoadReport, ModelSource } from '../contracts/model.ts';
import type { Observer } from '../contracts/stages.ts';
import type { TensorSpec } from '../contracts/tensor.ts';
import { SluiceError } from '../errors.ts';
import type { Logger } from './logger.ts';

export interface PlacementPorts {
  readonly devices: readonly Device[];
  readonly observer: Pick<Observer, 'fallback'>;
  readonly logger: Logger;
  /** never: a model that loads on no GPU, where there are GPUs, does not serve at all. */
  readonly gpuFallback: 'cpu' | 'never';
}

/** Where a model serves. */
export interface Placement {
  readonly reports: ReadonlyMap<DeviceId, LoadReport>;
  /** What all devices agree on, with the most careful view of batching. */
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly batching: Batching;
}

interface Failure {
  readonly device: Device;
  readonly reason: string;
  readonly error: unknown;
}

/**
 * Loads on all GPUs at once, then on the CPU, so that measurements on it are not disturbed. At least one device must
 * succeed, and all that do must see the same model. Throws MODEL_LOAD_FAILED; then it is loaded nowhere.
 */
export async function place(source: ModelSource, ports: PlacementPorts): Promise<Placement> {
  const reports = new Map<DeviceId, LoadReport>();
  const failures: Failure[] = [];
  const load = async (device: Device): Promise<void> => {
    try {
      reports.set(device.id, await device.load(source));
    } catch (error) {
      failures.push({ device, reason: reasonOf(error, source), error });
    }
  };
  const gpus = ports.devices.filter((device) => device.kind === 'gpu');
  await Promise.all(gpus.map(load));
  const servesOnGpu = reports.size > 0;
  if (gpus.length > 0 && !servesOnGpu && ports.gpuFallback === 'never') throw refused(failures, ' (GPU_FALLBACK=never forbids the CPU)');
  for (const device of ports.devices) if (device.kind === 'cpu') await load(device);
  if (reports.size === 0) throw refused(failures, '');

  for (const { device, reason } of failures) {
    ports.observer.fallback({ model: source.key, device: device.id, reason });
    ports.logger.warn({ model: source.key, device: device.id, reason, servesOn: [...reports.keys()] }, `${source.key} can't load on ${device.id} and serves on ${[...reports.keys()].join(', ')}`);
  }
  const [first, ...others] = [...reports];
  if (first === undefined) throw new Error('no report. This is a bug.');
  const [firstDevice, { inputs, outputs }] = first;
  for (const [device, report] of others) {
    if (sameSignature(inputs, report.inputs) && sameSignature(outputs, report.outputs)) continue;
    await withdraw(source, reports, ports);
    throw new SluiceError('MODEL_LOAD_FAILED', `${source.key}: ${firstDevice} and ${device} disagree about its inputs and outputs`);
  }
  return { reports, inputs, outputs, batching: mostCareful([...reports]) };
}

/** Unloads from the devices that have a report; a device that fails to is logged, for its host is then dead or about to be. */
export async function withdraw(source: Pick<ModelSource, 'key'>, reports: Placement['reports'], { devices, logger }: Pick<PlacementPorts, 'devices' | 'logger'>): Promise<void> {
  await Promise.all(devices.filter(({ id }) => reports.has(id)).map((device) => device.unload(source.key).catch((error: unknown) => {
    logger.warn({ model: source.key, device: device.id, err: error }, `${source.key} could not be unloaded from ${device.id}`);
  })));
}

function refused(failures: readonly Failure[], suffix: string): SluiceError {
  const reasons = failures.length === 0 ? 'there is no device' : failures.map(({ device, reason }) => (reason.includes(device.id) ? reason : `${device.id}: ${reason}`)).join('; ');
  return new SluiceError('MODEL_LOAD_FAILED', `${reasons}${suffix}`, { cause: failures[0]?.error });
}

/** The runtime's messages hold the file's full path, which is nobody's business but the log's. */
function reasonOf(error: unknown, source: ModelSource): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(source.path, 'model.onnx');
}

function sameSignature(one: readonly TensorSpec[], other: readonly TensorSpec[]): boolean {
  return one.length === other.length && one.every((spec, index) => {
    const twin = other[index];
    return twin?.name === spec.name && twin.datatype === spec.datatype && twin.shape.join() === spec.shape.join();
  });
}

/** One device where it doesn't batch, or batches otherwise, decides for all: a batch may run on any of them. */
function mostCareful(reports: readonly (readonly [DeviceId, LoadReport])[]): Batching {
  const [first, ...others] = reports;
  if (first === undefined) throw new Error('no report. This is a bug.');
  for (const [, { batching }] of reports) if (!batching.batchable) return batching;
  const { batching } = first[1];
  const odd = others.find(([, report]) => report.batching.inputAxes.join() !== batching.inputAxes.join() || report.batching.outputAxes.join() !== batching.outputAxes.join());
  if (odd === undefined) return batching;
  return { batchable: false, reason: `${first[0]} and ${odd[0]} put the rows of a batch along different axes`, inputAxes: batching.inputAxes.map(() => null), outputAxes: batching.outputAxes.map(() => null) };
}
