/** Metric families of devices, the arena, admission and the event loop, read when they are scraped. */
import { performance } from 'node:perf_hooks';
import type { ArenaUsage } from '../contracts/arena.ts';
import type { DeviceState, DeviceStatus } from '../contracts/device.ts';
import { type Emit, type Family, labelText, type MetricType } from './exposition.ts';
import type { Recorder } from './recorder.ts';

const DEVICE_STATES: readonly DeviceState[] = ['STARTING', 'READY', 'RESTARTING', 'DOWN', 'STOPPED'];

type GpuStatus = DeviceStatus & { readonly gpu: NonNullable<DeviceStatus['gpu']> };

/** How the server stands at the moment of a scrape. */
export interface ServerGauges {
  readonly devices: readonly DeviceStatus[];
  readonly arena: ArenaUsage;
  /** Requests that are admitted and not over. */
  readonly admittedRequests: number;
}

function family(name: string, type: MetricType, help: string, samples: (emit: Emit) => void): Family {
  return { name, type, help, samples };
}

export function serverFamilies(recorder: Recorder, gauges: ServerGauges): readonly Family[] {
  const perDevice = (name: string, type: MetricType, help: string, sample: (device: DeviceStatus, emit: Emit) => void): Family =>
    family(name, type, help, (emit) => {
      for (const device of gauges.devices) sample(device, emit);
    });
  const gpuGauge = (name: string, help: string, read: (device: GpuStatus) => number | null): Family =>
    perDevice(name, 'gauge', help, (device, emit) => {
      const { gpu } = device;
      if (gpu === null) return;
      const value = read({ ...device, gpu });
      if (value !== null) emit(labelText({ gpu_uuid: gpu.uuid }), value);
    });
  return [
    gpuGauge('nv_gpu_utilization', 'GPU utilization, from 0 to 1.', ({ gpu }) => (gpu.utilizationPercent === null ? null : gpu.utilizationPercent / 100)),
    gpuGauge('nv_gpu_memory_total_bytes', 'GPU memory.', ({ gpu }) => gpu.memoryTotalBytes),
    gpuGauge('nv_gpu_memory_used_bytes', 'GPU memory in use.', ({ gpu }) => gpu.memoryUsedBytes),
    perDevice('sluice_device_state', 'gauge', 'State of a device: 1 for the state that it is in, 0 for the others.', (device, emit) => {
      for (const state of DEVICE_STATES) {
        emit(labelText({ device: device.id, kind: device.kind, provider: device.provider, state }), state === device.state ? 1 : 0);
      }
    }),
    perDevice('sluice_device_slots', 'gauge', 'Batches that a device runs at once.', (device, emit) => {
      emit(labelText({ device: device.id }), device.slots);
    }),
    perDevice('sluice_device_restarts_total', 'counter', 'Restarts of a device host.', (device, emit) => {
      emit(labelText({ device: device.id }), device.restarts);
    }),
    family('sluice_refused_total', 'counter', 'Requests refused before they became jobs, by error code.', (emit) => {
      for (const [code, count] of recorder.refusals) emit(labelText({ code }), count);
    }),
    family('sluice_admitted_requests', 'gauge', 'Requests that are admitted and not over.', (emit) => {
      emit('', gauges.admittedRequests);
    }),
    family('sluice_arena_bytes', 'gauge', 'Tensor arena: bytes in use and in all.', (emit) => {
      emit('state="used"', gauges.arena.usedBytes);
      emit('state="total"', gauges.arena.totalBytes);
    }),
    family('sluice_arena_leases', 'gauge', 'Regions of the tensor arena that are held.', (emit) => {
      emit('', gauges.arena.leases);
    }),
    // Counters rather than a ratio: rate(active) / (rate(active) + rate(idle)) is exact for any scraper and any interval.
    family('sluice_event_loop_active_seconds_total', 'counter', 'Time that the event loop was busy.', (emit) => {
      emit('', performance.eventLoopUtilization().active / 1e3);
    }),
    family('sluice_event_loop_idle_seconds_total', 'counter', 'Time that the event loop waited for work.', (emit) => {
      emit('', performance.eventLoopUtilization().idle / 1e3);
    }),
  ];
}
