/** The worker threads of a host: a Piscina pool in which every worker runs one long task (worker.ts). */
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { HostSettings } from '../protocol.ts';
import type { CallName, FromWorker, ToWorker, WorkerCalls, WorkerTask } from './worker-protocol.ts';

export interface PoolEvents {
  /** Orders as messages only: a worker began, or ended, a batch. */
  started(batchId: number, startedMs: number): void;
  done(batchId: number, result: string): void;
  /** The host has to end: the device is lost, or a worker's task failed. */
  fatal(reason: string): void;
}

interface Handle {
  readonly port: MessagePort;
  idle: boolean;
}

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

export class WorkerPool {
  readonly size: number;
  private readonly piscina: Piscina;
  private readonly handles: Handle[] = [];
  private readonly pending = new Map<number, Pending>();
  /** Orders that wait for a worker, oldest first, where there is no ring. */
  private readonly orders: string[] = [];
  private readonly events: PoolEvents;
  private readonly wake: () => void;
  private lastId = 0;

  /** `wake`: makes workers that sleep on the ring look at their ports. */
  constructor(settings: HostSettings, wake: () => void, events: PoolEvents) {
    this.size = settings.workers;
    this.events = events;
    this.wake = wake;
    this.piscina = new Piscina({
      filename: fileURLToPath(new URL(`./worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)),
      minThreads: settings.workers,
      maxThreads: settings.workers,
      concurrentTasksPerWorker: 1,
      // Each worker takes one task, ever: there is nothing to wait for faster.
      atomics: 'disabled',
    });
    for (let index = 0; index < settings.workers; index += 1) this.start(settings);
  }

  /** Asks one worker. Rejects with what it says. */
  ask<Name extends CallName>(worker: number, type: Name, ask: WorkerCalls[Name]['ask']): Promise<WorkerCalls[Name]['answer']> {
    const id = (this.lastId += 1);
    return new Promise<WorkerCalls[Name]['answer']>((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.handles[worker]!.port.postMessage({ type, id, ...ask });
      this.wake();
    });
  }

  /** Asks every worker at once. Waits for all of them, then rejects with the first error if there was one. */
  async askAll<Name extends CallName>(type: Name, ask: WorkerCalls[Name]['ask']): Promise<WorkerCalls[Name]['answer'][]> {
    const answers = await Promise.allSettled(this.handles.map((_, worker) => this.ask(worker, type, ask)));
    return answers.map((answer) => {
      if (answer.status === 'rejected') throw answer.reason;
      return answer.value;
    });
  }

  /** Runs an order on the next idle worker, where there is no ring. */
  run(order: string): void {
    this.orders.push(order);
    this.dispatch();
  }

  /** Frees the sessions and ends the threads. A batch that runs is finished first: a thread in a run cannot be ended. */
  async close(): Promise<void> {
    await this.askAll('stop', {});
    // Not when a task ends: that news can overtake the worker's last answer, which would be lost.
    for (const { port } of this.handles) port.close();
    await this.piscina.close();
  }

  private start(settings: HostSettings): void {
    const { port1, port2 } = new MessageChannel();
    const handle: Handle = { port: port1, idle: true };
    this.handles.push(handle);
    port1.on('message', (message: FromWorker) => this.receive(handle, message));
    const task: WorkerTask = { port: port2, settings };
    // Never with an AbortSignal: aborting a task that runs a session aborts the process.
    this.piscina.run(task, { transferList: [port2] }).catch((error: unknown) => {
      this.events.fatal(`a worker failed: ${error instanceof Error ? error.message : String(error)}`);
    });
  }

  private receive(handle: Handle, message: FromWorker): void {
    switch (message.type) {
      case 'answer':
        this.take(message.id)?.resolve(message.value as never);
        break;
      case 'error':
        this.take(message.id)?.reject(new Error(message.message));
        break;
      case 'started':
        this.events.started(message.batchId, message.startedMs);
        break;
      case 'done':
        handle.idle = true;
        this.events.done(message.batchId, message.result);
        this.dispatch();
        break;
      case 'fatal':
        this.events.fatal(message.reason);
        break;
    }
  }

  private take(id: number): Pending | undefined {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    return pending;
  }

  private dispatch(): void {
    for (const handle of this.handles) {
      if (!handle.idle) continue;
      const order = this.orders.shift();
      if (order === undefined) return;
      handle.idle = false;
      handle.port.postMessage({ type: 'run', order } satisfies ToWorker);
    }
  }
}
