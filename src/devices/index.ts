/** The devices stage: what is found, what is started. */
import type { Clock } from '../contracts/clock.ts';
import type { Device, GpuInfo } from '../contracts/device.ts';
import type { NativeModule } from '../native/contract.ts';
import type { DevicePlan } from './discovery.ts';
import type { DevicePorts } from './ports.ts';
import { SupervisedDevice } from './supervisor.ts';

export { availableCores } from './cores.ts';
export { planDevices, type DevicePlan, type DeviceSettings } from './discovery.ts';
export type { DevicePorts } from './ports.ts';

/** Starts a host for every planned device. They come up by themselves; load() waits for that. */
export function createDevices(plan: DevicePlan, ports: Omit<DevicePorts, 'native'> & { readonly native: NativeModule }): Device[] {
  const readGpu = ports.readGpu ?? gpuReader(ports.native, ports.clock);
  return plan.devices.map((device) => new SupervisedDevice(device, { ...ports, readGpu }));
}

/** NVML is asked at most once a second, for all GPUs together. */
const NVML_MAX_AGE_MS = 1000;

function gpuReader(native: NativeModule, clock: Clock): (uuid: string) => GpuInfo | null {
  let gpus: readonly GpuInfo[] = [];
  let askedMs = -Infinity;
  return (uuid) => {
    const nowMs = clock.nowMs();
    if (nowMs - askedMs > NVML_MAX_AGE_MS) {
      const report = native.nvml();
      gpus = report.found ? report.devices : [];
      askedMs = nowMs;
    }
    return gpus.find((gpu) => gpu.uuid === uuid) ?? null;
  };
}
