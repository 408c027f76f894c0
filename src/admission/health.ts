/** Whether the server is ready for traffic, and why not. */
import type { DeviceStatus } from '../contracts/device.ts';
import type { Health, ModelEntry } from '../contracts/stages.ts';

export interface ReadinessState {
  readonly stopping: boolean;
  /** Whether the models found at the start have all been loaded, or have failed to. */
  readonly started: boolean;
  readonly devices: readonly Pick<DeviceStatus, 'id' | 'state'>[];
  readonly models: readonly Pick<ModelEntry, 'name' | 'version' | 'state'>[];
}

/**
 * Why the server is not ready, in one sentence; empty when it is. At the start all models must have come up or failed, as in
 * Triton. Afterwards one ready model and one ready device are enough: loading or unloading a model, or a device that
 * restarts, doesn't take the others' traffic away, which Triton's readiness does.
 */
export function unreadyReason(state: ReadinessState): string {
  if (state.stopping) return 'the server is stopping';
  if (!state.devices.some((device) => device.state === 'READY')) {
    const states = state.devices.map((device) => `${device.id} is ${device.state}`).join(', ');
    return states === '' ? 'no device is ready: none has started' : `no device is ready: ${states}`;
  }
  const loading = state.models.filter((model) => model.state === 'LOADING').map((model) => `${model.name} version ${model.version}`);
  if (!state.started && loading.length > 0) return `models are loading: ${loading.join(', ')}`;
  if (!state.models.some((model) => model.state === 'READY')) return 'no model is ready';
  return '';
}

export interface HealthSources {
  readonly stopping: () => boolean;
  readonly devices: () => ReadinessState['devices'];
  readonly models: () => ReadinessState['models'];
}

/** Health over live state. It remembers that the server was ready once: from then on, loading another model doesn't make it unready. */
export function createHealth(sources: HealthSources): Health {
  let started = false;
  const reason = (): string => {
    const text = unreadyReason({ stopping: sources.stopping(), started, devices: sources.devices(), models: sources.models() });
    if (text === '') started = true;
    return text;
  };
  return { reason, ready: () => reason() === '' };
}
