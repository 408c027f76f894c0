/** `sluice devices` */
import { loadConfig } from '../../config/load.ts';
import { availableCores } from '../../devices/cores.ts';
import { planDevices } from '../../devices/discovery.ts';
import { loadNative } from '../../native/load.ts';
import type { CliIo } from '../io.ts';
import { renderBytes, renderTable } from '../table.ts';

/** Shows which devices `sluice serve` would use, with the settings of this environment. Starts nothing. */
export function devicesCommand({ json }: { readonly json: boolean }, io: CliIo): void {
  const config = loadConfig();
  const native = loadNative(config.native);
  const nvml = native.module.nvml();
  const cores = availableCores();
  const plan = planDevices({
    gpuCount: config.gpu.count,
    gpuDevices: config.gpu.devices,
    gpuProvider: config.gpu.provider,
    gpuConcurrency: config.gpu.concurrency,
    cpuWorkers: config.cpuWorkers,
  }, nvml, config.gpu.visible, cores);
  if (json) {
    io.out(`${JSON.stringify({ discovery: plan.sentence, cores, native: native.module.kind, driver_version: nvml.found ? nvml.driverVersion : null, devices: plan.devices }, null, 2)}\n`);
    return;
  }
  io.out(renderTable(['device', 'provider', 'slots', 'name', 'memory', 'in use', 'load'], plan.devices.map(({ id, provider, slots, gpu }) => [
    id, provider, String(slots), gpu?.name ?? (id === 'cpu' ? `${cores} cores` : ''),
    gpu === null ? '' : renderBytes(gpu.memoryTotalBytes), gpu === null ? '' : renderBytes(gpu.memoryUsedBytes), percent(gpu?.utilizationPercent ?? null),
  ])));
  io.out(`\n${plan.sentence}\n`);
  io.out(native.remedy === null ? `Native addon: ${native.module.kind === 'addon' ? 'loaded' : 'not used (NATIVE=fallback)'}\n` : `Native addon: not loaded, the slower fallback is used. To get it: ${native.remedy}\n`);
}

function percent(value: number | null): string {
  return value === null ? '' : `${value} %`;
}
