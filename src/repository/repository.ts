/** The model repository: loads a folder of models on the devices, hands them to the dispatcher, and takes them away again. */
import { stat } from 'node:fs/promises';
import type { Clock } from '../contracts/clock.ts';
import type { Device, DeviceId } from '../contracts/device.ts';
import type { LoadReport, ModelKey, ServingModel } from '../contracts/model.ts';
import type { ModelConfigView, ModelEntry, ModelRepository, Observer } from '../contracts/stages.ts';
import { SluiceError } from '../errors.ts';
import { Catalog, type Serving } from './catalog.ts';
import { concurrencyLimits } from './concurrency.ts';
import type { Logger } from './logger.ts';
import type { ModelDescription } from './model-json.ts';
import { place, withdraw } from './placement.ts';
import { fingerprintOf, scanModel, scanModels, type FoundModel, type FoundVersion } from './scan.ts';
import { SerialQueues } from './serial-queues.ts';
import { SourceError, fetchSource, readLines } from './sources.ts';
import { configView, misfit, modelKey, modelSource, servingModel } from './view.ts';

/** Where models go to serve: the dispatcher's side. */
export interface ServePort {
  /** From the moment it returns, jobs of this model may be submitted. */
  addModel(model: ServingModel, reports: ReadonlyMap<DeviceId, LoadReport>): void;
  /** Resolves when all accepted work of the model is done. */
  removeModel(key: ModelKey): Promise<void>;
}

export interface RepositorySettings {
  readonly modelsDir: string;
  readonly cacheDir: string;
  readonly hubUrl: string;
  readonly proxyUrl: string | null;
  readonly gpuFallback: 'cpu' | 'never';
  readonly warmupBudgetMs: number;
}

export interface RepositoryOptions {
  readonly devices: readonly Device[];
  readonly serve: ServePort;
  readonly observer: Pick<Observer, 'fallback'>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly settings: RepositorySettings;
}

/** A step in loading one version, for a progress line. */
export interface LoadProgress {
  readonly model: string;
  readonly version: string;
  /** fetching: its source is downloaded; loading: devices load, probe and measure it. */
  readonly phase: 'fetching' | 'loading' | 'ready' | 'failed';
  /** Since loading of this version began. */
  readonly ms: number;
  /** Versions that are ready or failed, of all that load now. */
  readonly done: number;
  readonly total: number;
  /** Bytes while fetching, devices when ready, the reason when failed. */
  readonly detail: string;
}

/** What loading one version needs to know of it. */
interface LoadTask {
  readonly found: FoundModel;
  readonly version: FoundVersion;
  readonly concurrencyLimit: number | undefined;
  readonly progress: (phase: LoadProgress['phase'], detail: string) => void;
}

export class Repository implements ModelRepository {
  readonly #options: RepositoryOptions;
  readonly #catalog = new Catalog();
  /** One placement at a time (a single key): measurements on one device would disturb each other. */
  readonly #placements = new SerialQueues();
  /** One load or unload of a model at a time. */
  readonly #operations = new SerialQueues();
  readonly #stop = new AbortController();

  constructor(options: RepositoryOptions) {
    this.#options = options;
  }

  /**
   * Loads all models of the folder; resolves when each is READY or UNAVAILABLE. Throws CONFIG_INVALID when there is no
   * such folder, or when models declare conflicting limits. Files are fetched at once, placed one after another.
   */
  async loadAll(onProgress: (progress: LoadProgress) => void = () => undefined): Promise<void> {
    const found = await scanModels(this.#options.settings.modelsDir);
    const limits = concurrencyLimits(found);
    const total = found.reduce((sum, { versions }) => sum + versions.length, 0);
    let done = 0;
    for (const model of found) {
      this.#catalog.setFault(model.name, model.fault ?? '');
      if (model.fault !== null) this.#options.logger.error({ model: model.name }, `${model.name} can't serve: ${model.fault}`);
      for (const { version } of model.versions) this.#catalog.beginLoad(model.name, version);
    }
    const loads = found.flatMap((model) => model.versions.map(async (version) => {
      const startedMs = this.#options.clock.nowMs();
      const progress: LoadTask['progress'] = (phase, detail) => {
        if (phase === 'ready' || phase === 'failed') done += 1;
        onProgress({ model: model.name, version: version.version, phase, ms: this.#options.clock.nowMs() - startedMs, done, total, detail });
      };
      await this.#operations.run(model.name, () => this.#loadVersion({ found: model, version, concurrencyLimit: limitOf(limits, model.description), progress })).catch(() => undefined);
    }));
    await Promise.all(loads);
    if (found.length === 0) this.#options.logger.warn({}, 'the models folder is empty: put a model at <name>/1/model.onnx and load it');
  }

  index(): readonly ModelEntry[] {
    return this.#catalog.index();
  }

  resolve(name: string, version?: string): ServingModel {
    return this.#catalog.resolve(name, version).model;
  }

  versions(name: string): readonly string[] {
    return this.#catalog.versions(name);
  }

  config(name: string, version?: string): ModelConfigView {
    return configView(this.#catalog.resolve(name, version));
  }

  async load(name: string): Promise<void> {
    await this.#operations.run(name, async () => {
      const found = await scanModel(this.#options.settings.modelsDir, name);
      if (found === null) throw new SluiceError('UNKNOWN_MODEL', `the models folder has no model "${name}"`);
      this.#catalog.setFault(name, found.fault ?? '');
      if (found.fault !== null) throw new SluiceError('MODEL_LOAD_FAILED', `model "${name}" can't be loaded: ${found.fault}`);
      const limit = this.#limitBeside(found);
      const results = await Promise.allSettled(found.versions.map((version) => this.#loadVersion({ found, version, concurrencyLimit: limit, progress: () => undefined })));
      const failed = results.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      const wanted = new Set(found.versions.map(({ version }) => version));
      await Promise.all(this.#catalog.versions(name).filter((version) => !wanted.has(version)).map((version) => this.#unloadVersion(name, version)));
    });
  }

  async unload(name: string): Promise<void> {
    await this.#operations.run(name, async () => Promise.all(this.#catalog.versions(name).map((version) => this.#unloadVersion(name, version))));
  }

  /**
   * A device that restarted could not load the model again. It serves on the devices that are left, or is UNAVAILABLE with the
   * reason; load() tries all devices again.
   */
  modelLost(device: DeviceId, key: ModelKey, reason: string): void {
    const lost = [...this.#catalog.everyServing()].find(({ model }) => model.key === key);
    if (lost === undefined || this.#stop.signal.aborted) return;
    const { name, version } = lost.model;
    void this.#operations.run(name, async () => {
      const serving = this.#catalog.serving(name, version);
      if (serving?.model.key !== key) return;
      const reports = new Map([...serving.reports].filter(([id]) => id !== device));
      if (reports.size === 0) {
        await this.#retire(this.#catalog.beginUnload(name, version));
        this.#catalog.finishUnload(name, version, `${device} could not load it again after a restart: ${reason}`);
        return;
      }
      this.#options.observer.fallback({ model: key, device, reason });
      // Without a fingerprint, so that the next load is one, though no file has changed.
      this.#catalog.finishLoad(name, version, { ...serving, reports, fingerprint: '' });
      this.#options.serve.addModel(serving.model, reports);
    }).catch((error: unknown) => {
      this.#options.logger.error({ model: key, device, err: error }, `${key} could not be taken from ${device}`);
    });
  }

  /** Ends downloads and lets no further load begin. What serves goes on. */
  stop(): void {
    this.#stop.abort();
  }

  /** Throws a SluiceError that says why; the version is UNAVAILABLE then, or serves as before. */
  async #loadVersion(task: LoadTask): Promise<void> {
    const { found: { name }, version: { version }, progress } = task;
    this.#catalog.beginLoad(name, version);
    try {
      const before = this.#catalog.serving(name, version);
      const serving = await this.#prepare(task, before);
      if (serving === before) return;
      await this.#serve(serving);
      const replaced = this.#catalog.finishLoad(name, version, serving);
      this.#announce(serving);
      progress('ready', [...serving.reports.keys()].join(', '));
      if (replaced !== null) await this.#retire(replaced);
    } catch (error) {
      const reason = error instanceof SluiceError || error instanceof SourceError ? error.message : 'internal error; the server log has the details';
      this.#catalog.failLoad(name, version, reason);
      this.#options.logger.error({ model: name, version, err: error }, `${name}/${version} could not be loaded: ${reason}`);
      progress('failed', reason);
      throw new SluiceError('MODEL_LOAD_FAILED', `model "${name}" version ${version} could not be loaded: ${reason}`, { cause: error });
    }
  }

  /** Fetches, places and describes a version; `before` when nothing of it has changed. */
  async #prepare({ found, version, concurrencyLimit, progress }: LoadTask, before: Serving | null): Promise<Serving> {
    const { settings, clock, logger } = this.#options;
    const { name, folder, description } = found;
    const path = version.path ?? (await this.#fetch(found, progress));
    const labels = description.labels === null || 'length' in description.labels ? description.labels : await readLines(description.labels, folder);
    const fingerprint = JSON.stringify([fingerprintOf(path, await stat(path)), description]);
    if (before?.fingerprint === fingerprint) return before;
    const revision = before === null ? 1 : before.revision + 1;
    const source = modelSource(modelKey(name, version.version, revision), name, version.version, path, description, settings.warmupBudgetMs);
    return this.#placements.run('', async () => {
      if (this.#stop.signal.aborted) throw new SluiceError('STOPPING', 'the server is stopping');
      progress('loading', '');
      const startedMs = clock.nowMs();
      const placement = await place(source, { ...this.#options, gpuFallback: settings.gpuFallback });
      const problem = misfit(placement, description);
      if (problem !== null) {
        await withdraw(source, placement.reports, this.#options);
        throw new SluiceError('MODEL_LOAD_FAILED', problem);
      }
      logger.info({ model: source.key, ms: Math.round(clock.nowMs() - startedMs) }, `${source.key} is loaded and measured`);
      return { model: servingModel(source, placement, description, concurrencyLimit), reports: placement.reports, description, labels, revision, fingerprint };
    });
  }

  async #fetch({ name, folder, description }: FoundModel, progress: LoadTask['progress']): Promise<string> {
    const { settings, clock } = this.#options;
    if (description.source === null) throw new Error(`${name} has neither a file nor a source. This is a bug.`);
    return fetchSource({
      source: description.source,
      sha256: description.sha256,
      folder,
      signal: this.#stop.signal,
      onProgress: (receivedBytes, totalBytes) => {
        progress('fetching', `${mebibytes(receivedBytes)}${totalBytes === null ? '' : ` of ${mebibytes(totalBytes)}`} MiB`);
      },
    }, { cacheDir: settings.cacheDir, hubUrl: settings.hubUrl, proxyUrl: settings.proxyUrl, clock });
  }

  /** Throws what the pipeline has against it; then it is loaded nowhere. */
  async #serve({ model, reports }: Serving): Promise<void> {
    try {
      this.#options.serve.addModel(model, reports);
    } catch (error) {
      await withdraw(model, reports, this.#options);
      throw error;
    }
  }

  async #unloadVersion(name: string, version: string): Promise<void> {
    await this.#retire(this.#catalog.beginUnload(name, version));
    this.#catalog.finishUnload(name, version);
  }

  /** Waits for accepted work, then frees the model on its devices. */
  async #retire({ model, reports }: Serving): Promise<void> {
    await this.#options.serve.removeModel(model.key);
    await withdraw(model, reports, this.#options);
    this.#options.logger.info({ model: model.key }, `${model.key} is unloaded`);
  }

  #announce({ model, reports }: Serving): void {
    const devices = [...reports.keys()];
    const { logger } = this.#options;
    logger.info({ model: model.key, devices, batchable: model.batching.batchable }, `${model.key} is ready on ${devices.join(', ')}; ${model.batching.reason}`);
    const wanted = model.policy.maxBatchSize;
    if (wanted !== null && wanted > 1 && !model.batching.batchable) logger.warn({ model: model.key }, `${model.key}: max_batch_size ${wanted} has no effect: ${model.batching.reason}`);
  }

  /** The model's limit, checked against all that serves. Throws MODEL_LOAD_FAILED on a conflict: no start-up error any more. */
  #limitBeside(found: FoundModel): number | undefined {
    const others = [...this.#catalog.everyServing()].filter(({ model }) => model.name !== found.name)
      .map(({ model }) => ({ name: model.name, description: { concurrency: model.concurrency } }));
    try {
      return limitOf(concurrencyLimits([...others, found]), found.description);
    } catch (error) {
      throw new SluiceError('MODEL_LOAD_FAILED', error instanceof Error ? error.message : String(error), { cause: error });
    }
  }
}

function limitOf(limits: ReadonlyMap<string, number>, { concurrency }: ModelDescription): number | undefined {
  return concurrency === null ? undefined : limits.get(concurrency.id);
}

function mebibytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(1);
}
