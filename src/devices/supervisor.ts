/** One device: starts its host, hands batches to it, watches it, and starts it again. */
import type { BatchOrder, Device, DeviceState, DeviceStatus } from '../contracts/device.ts';
import type { LoadReport, ModelKey, ModelSource } from '../contracts/model.ts';
import type { PlannedDevice } from './discovery.ts';
import { hostEntry } from './host-entry.ts';
import { InFlightTable } from './inflight.ts';
import { MessageLink, RingLink, type HostLink, type LinkEvents } from './link.ts';
import { DeviceModels } from './models.ts';
import { decodeResult } from './orders.ts';
import type { DevicePorts, Host } from './ports.ts';
import { HostProcess, hostEnvironment } from './process.ts';
import type { FrontMessage, HostMessage } from './protocol.ts';
import { Signal } from './signal.ts';
import { NO_CRASHES, decideRestart, transition, type CrashHistory } from './state.ts';

const START_TIMEOUT_MS = 30_000;
const STOP_GRACE_MS = 10_000;
/** While batches are in the host: how often to look for one that has begun, or is overdue. 40 looks a second cost nothing. */
const TICK_MS = 25;

export class SupervisedDevice implements Device {
  readonly id: string;
  readonly kind: 'cpu' | 'gpu';
  readonly slots: number;
  readonly prefetch: number;
  private readonly plan: PlannedDevice;
  private readonly ports: DevicePorts;
  private readonly link: HostLink;
  private readonly inFlight: InFlightTable;
  private readonly models: DeviceModels;
  private host: Host | null = null;
  private state: DeviceState = 'STARTING';
  private history: CrashHistory = NO_CRASHES;
  private restarts = 0;
  private lastError: string | null = null;
  /** Why we killed the host; null when we didn't. */
  private killReason: string | null = null;
  private culprit: { readonly batchId: number; readonly reason: string } | null = null;
  private cancelTimer: () => void = () => undefined;
  private booted = false;
  private ticking = false;
  private closing: Promise<void> | null = null;
  private readonly changed = new Signal();

  constructor(plan: PlannedDevice, ports: DevicePorts) {
    this.id = plan.id;
    this.kind = plan.kind;
    this.slots = plan.slots;
    this.prefetch = plan.prefetch;
    this.plan = plan;
    this.ports = ports;
    this.inFlight = new InFlightTable(plan.slots);
    this.models = new DeviceModels(plan, ports, {
      send: (message) => this.send(message),
      kill: (reason) => this.kill(reason),
      untilReady: () => this.untilReady(),
      isReady: () => this.state === 'READY',
      recentOutput: () => this.host?.recentOutput() ?? '',
    });
    const { arena, native } = ports;
    const events: LinkEvents = {
      started: (batchId, startedMs) => this.batchStarted(batchId, startedMs),
      done: (batchId, result) => this.batchDone(batchId, result),
      lied: (reason) => this.kill(`the host lied: ${reason}`),
    };
    this.link = native.shared !== null && arena.memory.kind === 'mapped'
      ? new RingLink(arena, native.shared, plan.slots + plan.prefetch, events)
      : new MessageLink((message) => this.send(message));
    this.spawn();
  }

  status(): DeviceStatus {
    const { gpu } = this.plan;
    return {
      id: this.id, kind: this.kind, provider: this.plan.provider, state: this.state, slots: this.slots,
      pid: this.host?.pid ?? null, restarts: this.restarts, lastError: this.lastError,
      gpu: gpu === null ? null : (this.ports.readGpu?.(gpu.uuid) ?? gpu),
      fallbacks: this.models.fallbacks(),
    };
  }

  load(source: ModelSource): Promise<LoadReport> {
    return this.models.load(source);
  }

  unload(key: ModelKey): Promise<void> {
    return this.models.unload(key);
  }

  run(order: BatchOrder, budgetMs: number): void {
    const { batchId, modelKey } = order;
    const report = this.models.report(modelKey);
    if (this.state !== 'READY' || report === undefined) {
      this.loseSoon(batchId, report === undefined ? `${modelKey} is not loaded on ${this.id}` : `${this.id} is ${this.state}`);
      return;
    }
    // Before the push: the host may begin at once, and must not seem to have begun earlier.
    const nowMs = this.ports.clock.nowMs();
    if (!this.link.push(order)) {
      // Orders for which the ring has no room are very large ones: a smaller batch fits.
      queueMicrotask(() => this.ports.listener.batchDone({ batchId, ok: false, code: 'OUT_OF_MEMORY', message: 'no room for an order of this size' }));
      return;
    }
    this.inFlight.add(order, report.outputs, budgetMs, nowMs);
    this.tick();
  }

  close(): Promise<void> {
    this.closing ??= this.drain();
    return this.closing;
  }

  destroy(): void {
    if (this.state === 'STOPPED') return;
    this.closing ??= this.changed.until(() => this.host === null);
    this.stopped();
    if (this.host === null) this.link.close();
    else this.kill('the device was stopped');
  }

  private async drain(): Promise<void> {
    await this.changed.until(() => this.inFlight.size === 0 || this.state === 'STOPPED');
    if (this.state === 'STOPPED') return;
    this.cancelTimer();
    if (this.host !== null) {
      this.send({ type: 'stop' });
      this.cancelTimer = this.ports.clock.after(STOP_GRACE_MS, () => this.kill('it did not stop in time'));
      await this.changed.until(() => this.host === null);
    }
    if (this.isStopped()) return;
    this.stopped();
    this.link.close();
  }

  private spawn(): void {
    const { arena, native, environment, libraryPath, execArgv = [], clock } = this.ports;
    const { provider, gpu, slots } = this.plan;
    this.killReason = null;
    this.culprit = null;
    this.booted = false;
    const start = this.ports.spawn ?? ((options, events) => new HostProcess(options, events));
    const host = start(
      { entry: this.ports.entry ?? hostEntry(), arenaFd: arena.memory.fd, environment: hostEnvironment(environment, provider, gpu?.uuid ?? null, libraryPath), execArgv },
      {
        message: (message) => this.receive(message),
        bell: () => this.link.poll(),
        line: (line) => this.ports.log.debug({ device: this.id, line }, 'device host'),
        garbage: (reason) => this.kill(`the host wrote ${reason}`),
        exited: (how) => this.exited(how),
      },
    );
    this.host = host;
    host.send({
      type: 'start',
      settings: {
        device: this.id, provider, workers: slots, native: native.kind,
        arena: { kind: arena.memory.kind, byteLength: arena.memory.byteLength }, ring: this.link.ring,
      },
    });
    this.cancelTimer = clock.after(START_TIMEOUT_MS, () => this.kill('it did not start in time'));
  }

  private receive(message: HostMessage): void {
    switch (message.type) {
      case 'ready':
        this.cancelTimer();
        if (this.booted) this.kill('the host lied: it was ready before');
        else void this.reload();
        this.booted = true;
        break;
      case 'loaded':
      case 'unloaded':
      case 'failed':
        if (!this.models.answer(message)) this.kill('the host lied: an answer to no question');
        this.inFlight.touch(this.ports.clock.nowMs());
        break;
      case 'started':
        this.batchStarted(message.batchId, message.startedMs);
        break;
      case 'done':
        this.batchDone(message.batchId, message.result);
        break;
      case 'fatal':
        this.kill(message.reason);
        break;
    }
  }

  /** Loads again what was loaded before a restart, then opens for batches. */
  private async reload(): Promise<void> {
    const { host } = this;
    const isCurrent = (): boolean => this.host === host && !this.isStopped();
    await this.models.reload(isCurrent);
    // It died meanwhile: the next host reloads what is left.
    if (!isCurrent()) return;
    this.history = { ...this.history, down: false };
    this.setState('READY');
  }

  private exited(how: string): void {
    this.link.poll();
    const reason = this.killReason ?? how;
    const output = this.host?.recentOutput() ?? '';
    this.host = null;
    this.cancelTimer();
    const lost = this.inFlight.clear();
    this.link.reset();
    this.models.hostEnded(reason);
    if (this.closing === null) this.restart(reason, output);
    for (const { batchId } of lost) this.ports.listener.batchLost({ batchId, reason: batchId === this.culprit?.batchId ? this.culprit.reason : reason });
    if (this.isStopped()) this.link.close();
    this.changed.notify();
  }

  private restart(reason: string, output: string): void {
    const { clock, log, random = Math.random } = this.ports;
    const { down, delayMs, history } = decideRestart(this.history, clock.nowMs(), random);
    this.history = history;
    this.lastError = reason;
    this.restarts += 1;
    log.error({ device: this.id, reason, output, delayMs: Math.round(delayMs), down }, down ? 'a device is down' : 'a device host ended; it starts again');
    this.setState(down ? 'DOWN' : 'RESTARTING');
    this.cancelTimer = clock.after(delayMs, () => {
      if (down) this.setState('RESTARTING');
      this.spawn();
    });
  }

  private kill(reason: string): void {
    if (this.host === null) return;
    this.killReason ??= reason;
    this.host.kill();
  }

  private batchStarted(batchId: number, startedMs: number): void {
    const began = this.inFlight.begin(batchId, startedMs, this.ports.clock.nowMs());
    if (began === null) this.kill('the host lied: it began a batch that it does not have');
    else this.ports.listener.batchStarted(batchId, began);
  }

  private batchDone(batchId: number, text: string): void {
    const batch = this.inFlight.get(batchId);
    const result = batch === undefined ? 'a result for a batch that it does not have' : decodeResult(text, batch);
    if (typeof result === 'string') {
      this.kill(`the host lied: ${result}`);
      return;
    }
    this.inFlight.end(batchId, this.ports.clock.nowMs());
    this.ports.listener.batchDone(result);
    if (this.closing !== null) this.changed.notify();
  }

  /** Runs for as long as batches are in the host. */
  private tick(): void {
    if (this.ticking) return;
    this.ticking = true;
    this.ports.clock.after(TICK_MS, () => {
      this.ticking = false;
      if (this.host === null || this.inFlight.size === 0) return;
      this.link.poll();
      const overdue = this.inFlight.overdue(this.ports.clock.nowMs(), this.models.busy);
      if (overdue !== null) {
        this.culprit ??= overdue;
        this.kill(`batch ${overdue.batchId}: ${overdue.reason}`);
      }
      this.tick();
    });
  }

  private loseSoon(batchId: number, reason: string): void {
    // Not from inside run(): the pipeline is in the middle of a decision then.
    queueMicrotask(() => this.ports.listener.batchLost({ batchId, reason }));
  }

  private send(message: FrontMessage): void {
    this.host?.send(message);
  }

  private async untilReady(): Promise<void> {
    await this.changed.until(() => this.state === 'READY' || this.state === 'DOWN' || this.state === 'STOPPED');
    if (this.state !== 'READY') throw new Error(`${this.id} is ${this.state}${this.lastError === null ? '' : `: ${this.lastError}`}`);
  }

  private setState(state: DeviceState): void {
    if (state === this.state) return;
    this.state = transition(this.state, state);
    this.ports.log.info({ device: this.id, state }, 'device state');
    this.ports.listener.stateChanged(this.id, state);
    this.changed.notify();
  }

  private stopped(): void {
    this.cancelTimer();
    this.setState('STOPPED');
  }

  private isStopped(): boolean {
    return this.state === 'STOPPED';
  }
}
