/** What the repository knows of each model version, and the questions that requests ask about it. */
import type { DeviceId } from '../contracts/device.ts';
import type { LoadReport, ModelState, ServingModel } from '../contracts/model.ts';
import type { ModelEntry } from '../contracts/stages.ts';
import { SluiceError } from '../errors.ts';
import type { ModelDescription } from './model-json.ts';
import { transition } from './state.ts';

/** How many names an error message lists. */
const NAMES_SHOWN = 10;

/** What serves, and all that is needed to describe it and to take it away again. */
export interface Serving {
  readonly model: ServingModel;
  readonly reports: ReadonlyMap<DeviceId, LoadReport>;
  readonly description: ModelDescription;
  readonly labels: readonly string[] | null;
  /** 1, and one more each time the version is loaded while it serves. */
  readonly revision: number;
  /** Of the file and the description. */
  readonly fingerprint: string;
}

interface VersionRecord {
  state: ModelState;
  reason: string;
  serving: Serving | null;
}

interface ModelRecord {
  readonly versions: Map<string, VersionRecord>;
  /** Why the folder can't be read as a model; it matters while nothing of it serves. */
  fault: string;
  /** The newest READY version. Kept here because every request asks for it. */
  newest: Serving | null;
}

export class Catalog {
  readonly #models = new Map<string, ModelRecord>();

  /** LOADING. A version that serves is left as it is. */
  beginLoad(name: string, version: string): void {
    const record = this.#record(name);
    const known = record.versions.get(version);
    if (known?.state === 'READY' || known?.state === 'LOADING') return;
    record.versions.set(version, { state: known === undefined ? 'LOADING' : transition(known.state, 'LOADING'), reason: '', serving: null });
  }

  /** READY with what serves from now on; what served before, to be taken away, or null. */
  finishLoad(name: string, version: string, serving: Serving): Serving | null {
    const record = this.#version(name, version);
    const before = record.serving;
    if (record.state !== 'READY') record.state = transition(record.state, 'READY');
    record.reason = '';
    record.serving = serving;
    this.#findNewest(name);
    return before;
  }

  /** UNAVAILABLE with the reason; a version that serves goes on serving. */
  failLoad(name: string, version: string, reason: string): void {
    const record = this.#version(name, version);
    if (record.state === 'READY') return;
    record.state = transition(record.state, 'UNAVAILABLE');
    record.reason = reason;
  }

  /** UNLOADING: no new requests. What serves until they are done. */
  beginUnload(name: string, version: string): Serving {
    const record = this.#version(name, version);
    record.state = transition(record.state, 'UNLOADING');
    record.reason = 'unloading';
    const { serving } = record;
    if (serving === null) throw new Error(`${name}/${version} was READY without serving. This is a bug.`);
    record.serving = null;
    this.#findNewest(name);
    return serving;
  }

  finishUnload(name: string, version: string, reason = 'unloaded'): void {
    const record = this.#version(name, version);
    record.state = transition(record.state, 'UNAVAILABLE');
    record.reason = reason;
  }

  /** Remembers a folder that is no model. '' takes it back. */
  setFault(name: string, fault: string): void {
    this.#record(name).fault = fault;
  }

  serving(name: string, version: string): Serving | null {
    return this.#models.get(name)?.versions.get(version)?.serving ?? null;
  }

  /** All that serves. */
  *everyServing(): Iterable<Serving> {
    for (const { versions } of this.#models.values()) for (const { serving } of versions.values()) if (serving !== null) yield serving;
  }

  /** Versions that serve, ascending. Throws UNKNOWN_MODEL. */
  versions(name: string): readonly string[] {
    return ascending(this.#known(name)).filter(([, { state }]) => state === 'READY').map(([version]) => version);
  }

  index(): readonly ModelEntry[] {
    const names = [...this.#models.keys()].sort();
    return names.flatMap((name): ModelEntry[] => {
      const record = this.#known(name);
      if (record.versions.size === 0) return [{ name, version: '', state: 'UNAVAILABLE', reason: record.fault }];
      return ascending(record).map(([version, { state, reason }]) => ({ name, version, state, reason }));
    });
  }

  /** The version asked for, or the newest READY one. Throws UNKNOWN_MODEL, NOT_READY or MODEL_UNAVAILABLE. */
  resolve(name: string, version?: string): Serving {
    const model = this.#models.get(name);
    if (model !== undefined) {
      const serving = version === undefined ? model.newest : model.versions.get(version)?.serving;
      if (serving !== undefined && serving !== null) return serving;
    }
    throw this.#refusal(name, version);
  }

  #refusal(name: string, version: string | undefined): SluiceError {
    const model = this.#known(name);
    const wanted = version === undefined ? ascending(model).at(-1) : ([version, model.versions.get(version)] as const);
    if (wanted === undefined) return new SluiceError('MODEL_UNAVAILABLE', `model "${name}" is not available: ${model.fault}`);
    const [found, record] = wanted;
    if (record === undefined) return new SluiceError('UNKNOWN_MODEL', `model "${name}" has no version "${found}"; it has: ${ascending(model).map(([each]) => each).join(', ') || 'none'}`);
    if (record.state === 'LOADING') return new SluiceError('NOT_READY', `model "${name}" version ${found} is still loading`);
    return new SluiceError('MODEL_UNAVAILABLE', `model "${name}" version ${found} is not available: ${record.reason}`);
  }

  #record(name: string): ModelRecord {
    let record = this.#models.get(name);
    if (record === undefined) {
      record = { versions: new Map(), fault: '', newest: null };
      this.#models.set(name, record);
    }
    return record;
  }

  #known(name: string): ModelRecord {
    const record = this.#models.get(name);
    if (record !== undefined) return record;
    const names = [...this.#models.keys()].sort();
    const more = names.length > NAMES_SHOWN ? `, and ${names.length - NAMES_SHOWN} more` : '';
    throw new SluiceError('UNKNOWN_MODEL', `there is no model "${name}"; there ${names.length === 1 ? 'is' : 'are'}: ${names.slice(0, NAMES_SHOWN).join(', ') || 'none'}${more}`);
  }

  #version(name: string, version: string): VersionRecord {
    const record = this.#models.get(name)?.versions.get(version);
    if (record === undefined) throw new Error(`${name}/${version} was never loaded. This is a bug.`);
    return record;
  }

  #findNewest(name: string): void {
    const record = this.#record(name);
    record.newest = ascending(record).findLast(([, { serving }]) => serving !== null)?.[1].serving ?? null;
  }
}

function ascending(record: ModelRecord): (readonly [string, VersionRecord])[] {
  return [...record.versions].sort(([a], [b]) => Number(a) - Number(b));
}
