/** A worker thread of a device host: one long task that answers calls and runs batches until it is told to stop. */
import type { MessagePort } from 'node:worker_threads';
import { openMemory } from '../../arena/memory.ts';
import { systemClock } from '../../contracts/clock.ts';
import type { ModelKey } from '../../contracts/model.ts';
import { loadNative } from '../../native/load.ts';
import { isPoisoned, plainMessage } from '../cuda-errors.ts';
import { ARENA_FD, DOORBELL_FD, type HostSettings } from '../protocol.ts';
import { RingConsumer } from '../ring.ts';
import { createEngine, type Engine, type EngineModel, type EngineTensor } from './engine.ts';
import { Executor, type ExecutableModel } from './execute.ts';
import { measure, warmUp } from './measure.ts';
import { probe } from './probe.ts';
import { PortSource, RingSource, type WorkSource } from './work.ts';
import type { CallName, FromWorker, WorkerCall, WorkerCalls, WorkerTask } from './worker-protocol.ts';

const nowMs = (): number => systemClock.nowMs();

/**
 * Rows in a batch may differ this much from rows alone on a GPU, relative to the output's magnitude, whatever model.json
 * says: TF32, which CUDA uses by default, keeps 10 bits, and kernels are chosen by batch size. What the traps of batching
 * change is larger by far (dynamic quantisation: 0.04).
 */
const GPU_TOLERANCE = 5e-3;

export default async function serve({ port, settings }: WorkerTask): Promise<void> {
  const { executor, source } = connect({ port, settings });
  const worker = new Worker(settings, port);
  for (;;) {
    const work = await source.next();
    if (work.type === 'order') {
      const result = await executor.run(worker.serving.get(work.order.modelKey), work.order, work.startedMs, (thrown) => worker.unlessPoisoned(thrown));
      work.finish(result);
      continue;
    }
    const { id, type } = work.call;
    let reply: FromWorker;
    try {
      reply = { type: 'answer', id, value: await worker.answer(work.call) };
    } catch (thrown) {
      reply = { type: 'error', id, message: plainMessage(thrown) };
    }
    port.postMessage(reply);
    if (type === 'stop') return;
  }
}

function connect({ port, settings }: WorkerTask): { executor: Executor; source: WorkSource } {
  const { arena, ring } = settings;
  const { module } = loadNative(settings.native);
  const memory = openMemory(arena.kind, ARENA_FD, arena.byteLength, module);
  const executor = new Executor(memory, nowMs);
  if (ring === null || module.shared === null) return { executor, source: new PortSource(port, nowMs) };
  const { buffer } = memory.view(ring.region);
  return { executor, source: new RingSource(port, new RingConsumer(buffer, ring.region, ring.entries, module.shared, DOORBELL_FD), nowMs) };
}

class Worker {
  /** What runs batches; a model that is open but not yet measured is not here. */
  readonly serving = new Map<ModelKey, ExecutableModel>();
  private readonly open = new Map<ModelKey, EngineModel>();
  private readonly engine: Engine;
  private readonly gpu: boolean;
  private readonly port: MessagePort;

  constructor(settings: HostSettings, port: MessagePort) {
    this.port = port;
    this.engine = createEngine(settings.provider);
    this.gpu = settings.provider !== 'cpu';
  }

  /**
   * Returns, unless the error means that the device is lost: then the host is about to be killed, and whatever ran here must
   * not be answered as if the model had failed.
   */
  async unlessPoisoned(thrown: unknown): Promise<void> {
    if (!this.gpu || !(thrown instanceof Error) || !isPoisoned(thrown.message)) return;
    this.port.postMessage({ type: 'fatal', reason: plainMessage(thrown) } satisfies FromWorker);
    await new Promise<never>(() => undefined);
  }

  async answer(call: WorkerCall): Promise<WorkerCalls[CallName]['answer']> {
    switch (call.type) {
      case 'hello':
        return null;
      case 'open': {
        const { key, path } = call.source;
        await this.close(key);
        const model = await this.guarded(() => this.engine.load(path));
        this.open.set(key, model);
        return { inputs: model.inputs, outputs: model.outputs };
      }
      case 'probe': {
        const { source } = call;
        const { inputs, outputs, dimensionNames } = this.model(source.key);
        const tolerance = this.gpu ? Math.max(source.batchTolerance, GPU_TOLERANCE) : source.batchTolerance;
        return probe({ inputs, outputs, dimensionNames, warmupShapes: source.warmupShapes, maxBatchSize: source.maxBatchSize, tolerance }, this.runner(source.key), nowMs);
      }
      case 'measure':
        return measure({ inputs: this.model(call.key).inputs, ...call }, this.runner(call.key), nowMs);
      case 'warm':
        await warmUp({ inputs: this.model(call.key).inputs, ...call }, call.sizes, this.runner(call.key));
        return null;
      case 'serve':
        this.serving.set(call.key, { model: this.model(call.key), inputAxes: call.inputAxes });
        return null;
      case 'close':
        await this.close(call.key);
        return null;
      case 'stop':
        for (const key of [...this.open.keys()]) await this.close(key);
        return null;
    }
  }

  private model(key: ModelKey): EngineModel {
    const model = this.open.get(key);
    if (model === undefined) throw new Error(`model ${key} is not open`);
    return model;
  }

  private runner(key: ModelKey): (inputs: readonly EngineTensor[]) => Promise<readonly EngineTensor[]> {
    const model = this.model(key);
    return (inputs) => this.guarded(() => model.run(inputs));
  }

  private async guarded<Value>(action: () => Promise<Value>): Promise<Value> {
    try {
      return await action();
    } catch (thrown) {
      await this.unlessPoisoned(thrown);
      throw thrown;
    }
  }

  private async close(key: ModelKey): Promise<void> {
    this.serving.delete(key);
    const model = this.open.get(key);
    this.open.delete(key);
    await model?.release();
  }
}
