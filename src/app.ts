/**
 * The front door: builds every stage and joins them, in the order in which a request meets them.
 *
 *   http ─► admission ─► arena ─► scheduler + batching ─► devices ─► results ─► http
 *
 * Stages know each other by the ports of contracts/ alone; this file is the only one that knows them all.
 */
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { createGate } from './admission/gate.ts';
import { createHealth } from './admission/health.ts';
import { DEFAULT_LIMITS } from './admission/policy.ts';
import { createArena } from './arena/arena.ts';
import { createMemory } from './arena/memory.ts';
import { batcher } from './batching/index.ts';
import type { Config } from './config/load.ts';
import { systemClock as clock } from './contracts/clock.ts';
import type { DeviceListener } from './contracts/device.ts';
import { availableCores, createDevices, planDevices, type DevicePlan } from './devices/index.ts';
import { SluiceError } from './errors.ts';
import { buildServer } from './http/server.ts';
import type { Logger } from './logger.ts';
import { createMetrics, type MetricsOptions } from './metrics/metrics.ts';
import type { NativeModule } from './native/contract.ts';
import { loadNative } from './native/load.ts';
import { Repository, type LoadProgress } from './repository/repository.ts';
import { createRequestStore } from './results/store.ts';
import { createDispatcher, type Dispatcher } from './scheduler/dispatcher.ts';

/** The models that come with the package. */
const BUNDLED_MODELS = fileURLToPath(new URL('../models', import.meta.url));

/** Results that are kept for a second look, at most; RESULT_MIB bounds their bytes. */
const MAX_KEPT_RESULTS = 10_000;

export interface App {
  /** Opens the port; resolves with the URL. Health and metrics answer from here on. */
  listen(): Promise<string>;
  /** Loads the models folder; resolves when each model serves or has failed. Throws CONFIG_INVALID for what no model can mend. */
  loadModels(onProgress: (progress: LoadProgress) => void): Promise<void>;
  /** Not ready from now on; accepted work is finished; then everything ends. */
  close(): Promise<void>;
  /** Ends everything at once; children too. */
  destroy(): void;
}

/** Builds all stages; the device hosts start at once. Throws CONFIG_INVALID when the settings ask for what is not there. */
export function buildApp(config: Config, log: Logger, version: string): App {
  let stopping = false;

  // What JavaScript can't do: shared memory, tensor codecs, GPU discovery.
  const native = loadNative(config.native);
  if (native.remedy !== null) log.warn({ attempts: native.attempts }, `slower TypeScript fallback in place of the native addon: ${native.remedy}`);
  else log.info({ native: native.module.kind }, native.attempts.join('; '));

  // Memory that the front and the device hosts share.
  const arena = createArena(createMemory(native.module, config.arenaBytes));

  // What is seen of all stages. The sources are asked when somebody scrapes.
  const { observer, statistics, scrape } = createMetrics({
    clock, wallClock: () => Date.now(), logger: log,
    arenaUsage: () => arena.usage(),
    devices: () => devices.map((device) => device.status()),
    models: modelGauges,
    admittedRequests: () => admission.admittedRequests(),
  });

  // Devices: one child process each, supervised. What they report goes to the scheduler.
  const plan = planFor(config, native.module);
  log.info({ devices: plan.devices.map(({ id, slots }) => ({ id, slots })) }, plan.sentence);
  const listener: DeviceListener = {
    batchStarted: (batchId, startedMs) => { dispatcher.batchStarted(batchId, startedMs); },
    batchDone: (result) => { dispatcher.batchDone(result); },
    batchLost: (loss) => { dispatcher.batchLost(loss); },
    stateChanged: (device, state) => { dispatcher.stateChanged(device, state); },
    modelLost: (device, key, reason) => { repository.modelLost(device, key, reason); },
  };
  const devices = createDevices(plan, {
    arena, native: native.module, clock, listener, log,
    environment: config.hostEnvironment, libraryPath: config.gpu.libraryPath,
  });

  // The pipeline: queues, slots and permits, batches.
  const dispatcher: Dispatcher = createDispatcher({
    clock, arena, devices, observer, batcher,
    limits: { maxQueuedPerModel: config.queueSize, maxQueuedTotal: config.queueSizeTotal },
  });

  // Models: from folders to devices, and from there to the pipeline.
  const repository = new Repository({
    devices, serve: dispatcher, observer, logger: log, clock,
    settings: {
      modelsDir: config.modelsDir ?? BUNDLED_MODELS, cacheDir: config.cacheDir, hubUrl: config.hubUrl, proxyUrl: config.proxyUrl,
      gpuFallback: config.gpu.fallback, warmupBudgetMs: config.warmupBudgetMs,
    },
  });

  // Who comes in, decided on the headers.
  const admission = createGate({
    clock, arenaUsage: () => arena.usage(), backlog: (key, caller) => dispatcher.backlog(key, caller), stopping: () => stopping, random: Math.random,
    loopActiveMs: () => performance.eventLoopUtilization().active,
    limits: {
      ...DEFAULT_LIMITS, maxBodyBytes: config.maxRequestBytes,
      maxRequestsPerModel: config.queueSize, maxRequests: config.queueSizeTotal, maxRequestsPerCaller: config.callerLimit,
    },
  });
  const health = createHealth({
    stopping: () => stopping,
    devices: () => devices.map((device) => device.status()),
    models: () => repository.index(),
  });

  // Answers, and what is kept of them.
  const results = createRequestStore(clock, { maxAgeMs: config.resultTtlMs, maxBytes: config.resultBytes, maxEntries: MAX_KEPT_RESULTS });
  const server = buildServer(
    {
      admission, arena, clock, health, log, native: native.module, observer, pipeline: dispatcher, repository, results, statistics,
      devices: { devices: () => devices.map((device) => device.status()), discovery: () => plan.sentence },
      costs: (key) => dispatcher.describeCosts(key),
      metrics: scrape,
    },
    {
      serverName: 'sluice', serverVersion: version,
      maxBodyBytes: config.maxRequestBytes, bodyTimeoutMs: config.bodyTimeoutMs, requestTimeoutMs: config.requestTimeoutMs,
      eventsIntervalMs: config.sseIntervalMs, eventsHeartbeatMs: config.sseHeartbeatMs,
    },
  );

  function modelGauges(): ReturnType<MetricsOptions['models']> {
    return repository.index().map(({ name, version: modelVersion, state }) => {
      const ready = state === 'READY';
      return { name, version: modelVersion, ready, pendingRequests: ready ? dispatcher.queuedJobs(repository.resolve(name, modelVersion).key) : 0 };
    });
  }

  return {
    async listen() {
      await server.listen({ host: config.host, port: config.port });
      const { address, port, family } = server.server.address() as AddressInfo;
      return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
    },
    loadModels: (onProgress) => repository.loadAll(onProgress),
    async close() {
      stopping = true;
      repository.stop();
      // Health says that it stops, and new work is refused, while accepted work is done and told to who waits for it.
      await dispatcher.close();
      await server.close();
      await Promise.all(devices.map((device) => device.close()));
      results.close();
      arena.memory.close();
    },
    destroy() {
      stopping = true;
      repository.stop();
      dispatcher.destroy(new SluiceError('STOPPING', 'the server was stopped'));
      for (const device of devices) device.destroy();
    },
  };
}

/** Settings, and what is found on this machine → the devices to start. */
function planFor(config: Config, native: NativeModule): DevicePlan {
  return planDevices(
    {
      gpuCount: config.gpu.count, gpuDevices: config.gpu.devices, gpuProvider: config.gpu.provider, gpuConcurrency: config.gpu.concurrency,
      cpuWorkers: config.cpuWorkers,
    },
    native.nvml(), config.gpu.visible, availableCores(),
  );
}
