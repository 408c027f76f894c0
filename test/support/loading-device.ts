/** A device without a process: loads what a test lets it load, and remembers what it was asked. */
import type { BatchOrder, Device, DeviceStatus } from '../../src/contracts/device.ts';
import type { Batching, LoadReport, ModelKey, ModelSource } from '../../src/contracts/model.ts';
import type { TensorSpec } from '../../src/contracts/tensor.ts';
import { SluiceError } from '../../src/errors.ts';

export const BATCHES: Batching = { batchable: true, reason: 'two rows together equal each alone', inputAxes: [0], outputAxes: [0] };

const x: TensorSpec = { name: 'x', datatype: 'FP32', shape: [-1, 4] };
const y: TensorSpec = { name: 'y', datatype: 'FP32', shape: [-1, 4] };

export function loadReport(overrides: Partial<LoadReport> = {}): LoadReport {
  return {
    inputs: [x], outputs: [y], batching: BATCHES, costs: [{ rows: 1, medianMs: 1, p95Ms: 1.2 }, { rows: 8, medianMs: 4, p95Ms: 5 }],
    outputBytesPerRow: 16, inputElementsPerRow: 4, loadMs: 10, ...overrides,
  };
}

type LoadBehaviour = (source: ModelSource) => LoadReport | Promise<LoadReport>;

export class LoadingDevice implements Device {
  readonly slots = 1;
  readonly prefetch = 1;
  readonly id: string;
  readonly kind: 'cpu' | 'gpu';
  /** `load key`, `loaded key` and `unload key`, in order. */
  readonly calls: string[] = [];
  readonly sources: ModelSource[] = [];
  /** What the next loads do. */
  behaviour: LoadBehaviour;

  constructor(id: string, behaviour: LoadBehaviour = () => loadReport()) {
    this.id = id;
    this.kind = id === 'cpu' ? 'cpu' : 'gpu';
    this.behaviour = behaviour;
  }

  async load(source: ModelSource): Promise<LoadReport> {
    this.calls.push(`load ${source.key}`);
    this.sources.push(source);
    const report = await this.behaviour(source);
    this.calls.push(`loaded ${source.key}`);
    return report;
  }

  unload(key: ModelKey): Promise<void> {
    this.calls.push(`unload ${key}`);
    return Promise.resolve();
  }

  status(): DeviceStatus {
    return { id: this.id, kind: this.kind, provider: 'fake', state: 'READY', slots: this.slots, pid: null, restarts: 0, lastError: null, gpu: null, fallbacks: [] };
  }

  run(order: BatchOrder): void {
    throw new Error(`the loading device ${this.id} runs nothing (batch ${order.batchId})`);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  destroy(): void {
    this.calls.push('destroy');
  }
}

/** A device's refusal, as the real one gives it. */
export function loadFailure(message: string): () => never {
  return () => {
    throw new SluiceError('MODEL_LOAD_FAILED', message);
  };
}
