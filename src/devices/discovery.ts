/** Settings and what NVML found → the devices to start, and one sentence that says so. Pure. */
import type { GpuInfo } from '../contracts/device.ts';
import { SluiceError } from '../errors.ts';
import type { NvmlReport } from '../native/contract.ts';

export type Provider = 'cpu' | 'cuda' | 'webgpu';

export interface DeviceSettings {
  readonly gpuCount: number | 'auto';
  /** Indices into the GPUs that `CUDA_VISIBLE_DEVICES` leaves; null: all of them. */
  readonly gpuDevices: readonly number[] | null;
  readonly gpuProvider: 'cuda' | 'webgpu';
  /** Slots per GPU. */
  readonly gpuConcurrency: number;
  readonly cpuWorkers: number | 'auto';
}

/** One device to start. */
export interface PlannedDevice {
  readonly id: string;
  readonly kind: 'cpu' | 'gpu';
  readonly provider: Provider;
  /** Batches that run at once, each on a worker thread of its own. */
  readonly slots: number;
  /** Batches that may wait in the host: one per slot keeps a worker busy across the round trip (idle 10 % → 2 %). */
  readonly prefetch: number;
  readonly gpu: GpuInfo | null;
}

export interface DevicePlan {
  readonly devices: readonly PlannedDevice[];
  /** For the log and /v2/devices. */
  readonly sentence: string;
}

/**
 * Decides which devices to start. `visible` is the value of CUDA_VISIBLE_DEVICES (null when unset), `cores` what
 * CPU_WORKERS=auto means. Throws CONFIG_INVALID when the settings ask for what is not there.
 */
export function planDevices(settings: DeviceSettings, nvml: NvmlReport, visible: string | null, cores: number): DevicePlan {
  const cpu = planCpu(settings.cpuWorkers === 'auto' ? cores : settings.cpuWorkers);
  const { gpus, found } = settings.gpuProvider === 'webgpu' ? planWebGpu(settings) : planCuda(settings, nvml, visible);
  const devices = [...gpus, ...cpu];
  if (devices.length === 0) throw new SluiceError('CONFIG_INVALID', `CPU_WORKERS=0 leaves no device to serve on: ${found}`);
  return { devices, sentence: `${found}: serving on ${devices.map(describe).join(', ')}` };
}

function describe(device: PlannedDevice): string {
  const unit = device.kind === 'cpu' ? 'worker' : 'slot';
  return `${device.id} (${plural(device.slots, unit)})`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function planCpu(workers: number): PlannedDevice[] {
  return workers === 0 ? [] : [{ id: 'cpu', kind: 'cpu', provider: 'cpu', slots: workers, prefetch: workers, gpu: null }];
}

interface Gpus {
  readonly gpus: readonly PlannedDevice[];
  readonly found: string;
}

/** WebGPU has no way to count or choose GPUs: each host takes the default adapter, and one thread (two that create sessions at once crash). */
function planWebGpu(settings: DeviceSettings): Gpus {
  if (settings.gpuDevices !== null) throw new SluiceError('CONFIG_INVALID', 'GPU_DEVICES needs GPU_PROVIDER=cuda: the webgpu provider cannot choose a GPU');
  const count = settings.gpuCount === 'auto' ? 0 : settings.gpuCount;
  const gpus = Array.from({ length: count }, (_, index): PlannedDevice => ({ id: `gpu:${index}`, kind: 'gpu', provider: 'webgpu', slots: 1, prefetch: 1, gpu: null }));
  if (count === 0) return { gpus, found: 'No GPU in use (GPU_PROVIDER=webgpu starts as many GPU hosts as GPU_COUNT says)' };
  const note = settings.gpuConcurrency > 1 ? `; GPU_CONCURRENCY=${settings.gpuConcurrency} has no effect there` : '';
  return { gpus, found: `WebGPU on ${plural(count, 'host')}, one slot each${note}` };
}

function planCuda(settings: DeviceSettings, nvml: NvmlReport, visible: string | null): Gpus {
  if (settings.gpuCount === 0) return { gpus: [], found: 'No GPU in use (GPU_COUNT=0)' };
  const shown = nvml.found ? visibleGpus(nvml.devices, visible) : [];
  const hidden = nvml.found && shown.length < nvml.devices.length ? ` that CUDA_VISIBLE_DEVICES=${visible ?? ''} leaves` : '';
  const reason = nvml.found ? `driver ${nvml.driverVersion}` : nvml.reason;
  const chosen = choose(settings, shown, hidden, reason);
  if (chosen.length === 0) return { gpus: [], found: nvml.found ? `No GPU${hidden || ' found'} (${reason})` : `No GPU found (${reason})` };
  const names = [...new Set(chosen.map((gpu) => gpu.name))].join(', ');
  return {
    gpus: chosen.map((gpu): PlannedDevice => ({ id: `gpu:${gpu.index}`, kind: 'gpu', provider: 'cuda', slots: settings.gpuConcurrency, prefetch: settings.gpuConcurrency, gpu })),
    found: `${plural(chosen.length, 'GPU')} in use of ${shown.length} found${hidden} (${names}; ${reason})`,
  };
}

function choose(settings: DeviceSettings, shown: readonly GpuInfo[], hidden: string, reason: string): readonly GpuInfo[] {
  const { gpuCount, gpuDevices } = settings;
  const were = `${plural(shown.length, 'GPU')} ${shown.length === 1 ? 'was' : 'were'} found${hidden} (${reason})`;
  if (gpuDevices === null) {
    if (gpuCount !== 'auto' && gpuCount > shown.length) throw new SluiceError('CONFIG_INVALID', `GPU_COUNT=${gpuCount} but ${were}: lower GPU_COUNT, or set it to auto`);
    return gpuCount === 'auto' ? shown : shown.slice(0, gpuCount);
  }
  const list = gpuDevices.join(',');
  if (new Set(gpuDevices).size < gpuDevices.length) throw new SluiceError('CONFIG_INVALID', `GPU_DEVICES=${list} names a GPU twice`);
  const named = gpuDevices.map((index) => {
    const gpu = shown[index];
    if (gpu === undefined) throw new SluiceError('CONFIG_INVALID', `GPU_DEVICES=${list} names GPU ${index}, but ${were}; indices count from 0`);
    return gpu;
  });
  if (gpuCount !== 'auto' && gpuCount > named.length) throw new SluiceError('CONFIG_INVALID', `GPU_COUNT=${gpuCount} but GPU_DEVICES=${list} names ${plural(named.length, 'GPU')}`);
  return gpuCount === 'auto' ? named : named.slice(0, gpuCount);
}

/**
 * What CUDA itself would show: a list of indices or of UUIDs (any unique prefix), read up to the first entry that names
 * nothing (CUDA programming guide, "CUDA Environment Variables"). Empty: no GPU. Indices are NVML's, in PCI bus order.
 */
function visibleGpus(all: readonly GpuInfo[], visible: string | null): readonly GpuInfo[] {
  if (visible === null) return all;
  const shown: GpuInfo[] = [];
  for (const entry of visible.split(',').map((text) => text.trim())) {
    const matches = /^\d+$/.test(entry) ? all.filter((gpu) => gpu.index === Number(entry)) : entry.startsWith('GPU-') ? all.filter((gpu) => gpu.uuid.startsWith(entry)) : [];
    const [gpu] = matches;
    if (gpu === undefined || matches.length > 1) break;
    if (shown.includes(gpu)) return [];
    shown.push(gpu);
  }
  return shown;
}
