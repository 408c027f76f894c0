/** What is loaded on a device: loads and unloads one after another, and loads again after a restart. */
import type { DeviceStatus } from '../contracts/device.ts';
import type { LoadReport, ModelKey, ModelSource } from '../contracts/model.ts';
import { SluiceError } from '../errors.ts';
import { explainGpuFailure } from './cuda-errors.ts';
import type { PlannedDevice } from './discovery.ts';
import type { DevicePorts } from './ports.ts';
import type { FrontMessage, Loaded } from './protocol.ts';
import { Requests, type Answer } from './requests.ts';

/** A large model on a slow disk takes long; a host that hangs must not keep its place for ever. */
const LOAD_TIMEOUT_MS = 120_000;
/** How long the host's stderr may lag behind its answer; CUDA's reasons stand there. */
const STDERR_LAG_MS = 100;

/** The device's host, whichever it is at the moment. */
export interface CurrentHost {
  send(message: FrontMessage): void;
  kill(reason: string): void;
  /** Resolves when it is READY; rejects when the device is DOWN or STOPPED. */
  untilReady(): Promise<void>;
  isReady(): boolean;
  recentOutput(): string;
}

interface Remembered {
  readonly source: ModelSource;
  readonly loaded: Loaded;
}

export class DeviceModels {
  private readonly plan: PlannedDevice;
  private readonly ports: DevicePorts;
  private readonly host: CurrentHost;
  private readonly requests: Requests;
  /** A source comes here once it has loaded: one that kills its host is not tried again. */
  private readonly models = new Map<ModelKey, Remembered>();
  private readonly failures = new Map<ModelKey, string>();
  /** During whose reload a host died. */
  private readonly suspects = new Set<ModelKey>();
  private tasks: Promise<unknown> = Promise.resolve();

  constructor(plan: PlannedDevice, ports: DevicePorts, host: CurrentHost) {
    this.plan = plan;
    this.ports = ports;
    this.host = host;
    this.requests = new Requests(ports.clock);
  }

  /** The workers of the host are busy with a load or unload. */
  get busy(): boolean {
    return this.requests.size > 0;
  }

  /** What is known of a loaded model. */
  report(key: ModelKey): LoadReport | undefined {
    return this.models.get(key)?.loaded.report;
  }

  fallbacks(): DeviceStatus['fallbacks'] {
    return [...this.failures].map(([model, reason]) => ({ model, reason }));
  }

  load(source: ModelSource): Promise<LoadReport> {
    return this.enqueue(async () => {
      try {
        await this.host.untilReady();
        const loaded = await this.ask(source, null);
        this.models.set(source.key, { source, loaded });
        this.failures.delete(source.key);
        return loaded.report;
      } catch (thrown) {
        const reason = await this.explain(thrown);
        this.failures.set(source.key, reason);
        throw new SluiceError('MODEL_LOAD_FAILED', `${source.key} did not load on ${this.plan.id}: ${reason}`, { cause: thrown });
      }
    });
  }

  unload(key: ModelKey): Promise<void> {
    return this.enqueue(async () => {
      this.failures.delete(key);
      if (!this.models.delete(key) || !this.host.isReady()) return;
      try {
        await this.requests.ask((id) => this.host.send({ type: 'unload', id, key }), LOAD_TIMEOUT_MS, () => this.host.kill(`it did not unload ${key} in time`));
      } catch (thrown) {
        // A host that dies has unloaded everything; the next one is not told of this model.
        this.ports.log.warn({ device: this.plan.id, model: key, err: thrown }, 'the host ended while it unloaded a model');
      }
    });
  }

  /**
   * Loads everything again into a new host, while `isCurrent()`. What fails now is left out and told; so is what was loading
   * when the host died for the second time, since once may have been an accident.
   */
  async reload(isCurrent: () => boolean): Promise<void> {
    for (const [key, { source, loaded }] of this.models) {
      try {
        await this.ask(source, loaded);
      } catch (thrown) {
        const reason = await this.explain(thrown);
        if (!isCurrent() && !this.suspects.has(key)) {
          this.suspects.add(key);
          return;
        }
        this.suspects.delete(key);
        this.models.delete(key);
        this.failures.set(key, reason);
        this.ports.log.error({ device: this.plan.id, model: key, reason }, 'a model did not load again after a restart');
        this.ports.listener.modelLost(this.plan.id, key, reason);
      }
      if (!isCurrent()) return;
      this.suspects.delete(key);
    }
  }

  /** False: an answer to no question. */
  answer(answer: Answer): boolean {
    return this.requests.answer(answer);
  }

  hostEnded(reason: string): void {
    this.requests.fail(reason);
  }

  private async ask(source: ModelSource, known: Loaded | null): Promise<Loaded> {
    const late = (): void => this.host.kill(`it did not load ${source.key} within ${LOAD_TIMEOUT_MS / 1000} s`);
    const answer = await this.requests.ask((id) => this.host.send({ type: 'load', id, source, known }), LOAD_TIMEOUT_MS, late);
    if (answer.type !== 'loaded') throw new Error('the host answered something else');
    return answer.loaded;
  }

  private enqueue<Value>(task: () => Promise<Value>): Promise<Value> {
    const done = this.tasks.then(task);
    this.tasks = done.catch(() => undefined);
    return done;
  }

  /** A failed load in words, with CUDA's own reason from the host's stderr where there is one. */
  private async explain(thrown: unknown): Promise<string> {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    if (this.plan.provider !== 'cuda') return message;
    await new Promise<void>((resolve) => {
      this.ports.clock.after(STDERR_LAG_MS, resolve);
    });
    return explainGpuFailure(message, this.host.recentOutput()) ?? message;
  }
}
