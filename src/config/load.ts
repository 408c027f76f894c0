/** The only reader of process.env: environment → frozen Config, or one error that names every variable that is wrong. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { SluiceError } from '../errors.ts';
import { SETTINGS, type SettingName, type Settings } from './schema.ts';

const MIB = 1024 * 1024;

export interface Config {
  readonly host: string;
  readonly port: number;
  /** Null: the bundled models. */
  readonly modelsDir: string | null;
  readonly cacheDir: string;
  readonly gpu: {
    readonly count: number | 'auto';
    readonly devices: readonly number[] | null;
    readonly concurrency: number;
    readonly provider: 'cuda' | 'webgpu';
    readonly fallback: 'cpu' | 'never';
    readonly libraryPath: readonly string[];
    /** CUDA_VISIBLE_DEVICES as found; null when unset. */
    readonly visible: string | null;
  };
  readonly cpuWorkers: number | 'auto';
  readonly arenaBytes: number;
  readonly maxRequestBytes: number;
  readonly queueSize: number;
  readonly queueSizeTotal: number;
  readonly callerLimit: number | null;
  readonly requestTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly resultTtlMs: number;
  readonly resultBytes: number;
  readonly sseIntervalMs: number;
  readonly sseHeartbeatMs: number;
  readonly warmupBudgetMs: number;
  readonly shutdownGraceMs: number;
  readonly logLevel: Settings['LOG_LEVEL'];
  readonly logFormat: Settings['LOG_FORMAT'];
  readonly native: 'auto' | 'addon' | 'fallback';
  readonly hubUrl: string;
  /** Proxy for downloads, by the usual variables; null for none. */
  readonly proxyUrl: string | null;
  /** What device hosts inherit: nothing but these. */
  readonly hostEnvironment: Readonly<Record<string, string>>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that device hosts need and that the front hands on as they are: tools' own, none of Sluice's. */
const HOST_VARIABLES = ['PATH', 'LD_LIBRARY_PATH', 'LANG', 'TZ', 'VK_ICD_FILENAMES', 'VK_DRIVER_FILES', 'XDG_RUNTIME_DIR', 'NVIDIA_VISIBLE_DEVICES', 'NVIDIA_DRIVER_CAPABILITIES'];

/** Reads the settings, by default those of this process. An empty variable counts as unset. Throws CONFIG_INVALID. */
export function loadConfig(environment: Environment = process.env): Config {
  const settings = readSettings(environment);
  const found = (name: string): string | null => {
    const value = environment[name];
    return value === undefined || value === '' ? null : value;
  };
  const home = found('XDG_CACHE_HOME') ?? join(found('HOME') ?? homedir(), '.cache');
  return Object.freeze({
    host: settings.HOST,
    port: settings.PORT,
    modelsDir: settings.MODELS_DIR === null ? null : resolve(settings.MODELS_DIR),
    cacheDir: resolve(settings.CACHE_DIR ?? join(home, 'sluice')),
    gpu: Object.freeze({
      count: settings.GPU_COUNT,
      devices: settings.GPU_DEVICES,
      concurrency: settings.GPU_CONCURRENCY,
      provider: settings.GPU_PROVIDER,
      fallback: settings.GPU_FALLBACK,
      libraryPath: settings.GPU_LIBRARY_PATH?.split(':').filter((folder) => folder !== '') ?? [],
      visible: environment['CUDA_VISIBLE_DEVICES'] ?? null,
    }),
    cpuWorkers: settings.CPU_WORKERS,
    arenaBytes: settings.ARENA_MIB * MIB,
    maxRequestBytes: settings.MAX_REQUEST_MIB * MIB,
    queueSize: settings.QUEUE_SIZE,
    queueSizeTotal: settings.QUEUE_SIZE_TOTAL,
    callerLimit: settings.CALLER_LIMIT,
    requestTimeoutMs: settings.REQUEST_TIMEOUT_MS,
    bodyTimeoutMs: settings.BODY_TIMEOUT_MS,
    resultTtlMs: settings.RESULT_TTL_MS,
    resultBytes: settings.RESULT_MIB * MIB,
    sseIntervalMs: settings.SSE_INTERVAL_MS,
    sseHeartbeatMs: settings.SSE_HEARTBEAT_MS,
    warmupBudgetMs: settings.WARMUP_BUDGET_MS,
    shutdownGraceMs: settings.SHUTDOWN_GRACE_MS,
    logLevel: settings.LOG_LEVEL,
    logFormat: settings.LOG_FORMAT,
    native: settings.NATIVE,
    hubUrl: settings.HF_ENDPOINT,
    proxyUrl: found('HTTPS_PROXY') ?? found('https_proxy'),
    hostEnvironment: Object.freeze(
      Object.fromEntries(HOST_VARIABLES.flatMap((name) => {
        const value = found(name);
        return value === null ? [] : [[name, value]];
      })),
    ),
  });
}

function readSettings(environment: Environment): Settings {
  const faults: string[] = [];
  const parsed = Object.entries(SETTINGS).map(([name, { schema, fallback, allowed }]) => {
    const raw = environment[name];
    const value = raw === undefined || raw === '' ? fallback : raw;
    if (value === null) return [name, null] as const;
    const result = schema.safeParse(value);
    if (!result.success) faults.push(`${name}=${JSON.stringify(value)}: must be ${allowed}`);
    return [name, result.data] as const;
  });
  if (faults.length > 0) throw new SluiceError('CONFIG_INVALID', `wrong settings: ${faults.join('; ')}`);
  // Each entry was parsed by the schema of its own name.
  return Object.fromEntries(parsed) as unknown as Settings;
}

/** One row of the table that people read, per setting. */
export interface SettingDescription {
  readonly name: SettingName;
  readonly fallback: string | null;
  readonly allowed: string;
  readonly description: string;
}

/** All settings, for the README's table and `sluice serve --help`. */
export function describeSettings(): readonly SettingDescription[] {
  return Object.entries(SETTINGS).map(([name, { fallback, allowed, description }]) => ({ name: name as SettingName, fallback, allowed, description }));
}
