/** Every setting of the server: one environment variable each. The README's table is generated from this file. */
import { z } from 'zod';

/** An environment variable that holds a whole number. */
function integer(minimum: number, maximum: number) {
  return z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .pipe(z.number().int().min(minimum).max(maximum));
}

function choice<const Values extends readonly [string, ...string[]]>(values: Values) {
  return z.enum(values);
}

const text = z.string().min(1);

/** A value and what a person must know about it. `allowed` completes the sentence "must be …". */
function setting<Schema extends z.ZodType, const Fallback extends string | null>(schema: Schema, fallback: Fallback, allowed: string, description: string) {
  return { schema, fallback, allowed, description };
}

const auto = z.literal('auto');

export const SETTINGS = {
  HOST: setting(text, '127.0.0.1', 'an address or a host name', 'Address to listen on.'),
  PORT: setting(integer(0, 65_535), '8000', 'a port from 0 to 65535', 'Port to listen on; 0 takes a free one.'),
  MODELS_DIR: setting(text, null, 'a folder', 'Folder of models, `name/1/model.onnx`. Default: the bundled models.'),
  CACHE_DIR: setting(text, null, 'a folder', 'Where downloaded models are kept. Default: `$XDG_CACHE_HOME/sluice` or `~/.cache/sluice`.'),
  GPU_COUNT: setting(z.union([auto, integer(0, 64)]), 'auto', '`auto` or a number from 0 to 64', 'GPUs to use. `auto` takes what is found, and the CPU when that is none; asking for more than there are is an error.'),
  GPU_DEVICES: setting(
    z.string().regex(/^\d+(,\d+)*$/).transform((list) => list.split(',').map(Number)),
    null, 'indices such as `0,2`', 'Which GPUs, by index, after `CUDA_VISIBLE_DEVICES` has been applied. Default: the first GPU_COUNT.'),
  GPU_CONCURRENCY: setting(integer(1, 16), '1', 'a number from 1 to 16', 'Slots per GPU: batches that run on it at once.'),
  GPU_PROVIDER: setting(choice(['cuda', 'webgpu']), 'cuda', '`cuda` or `webgpu`', 'Execution provider of the GPU hosts.'),
  GPU_FALLBACK: setting(choice(['cpu', 'never']), 'cpu', '`cpu` or `never`', 'What happens to a model that no GPU can load: it serves on the CPU, or is unavailable with the reason.'),
  GPU_LIBRARY_PATH: setting(text, null, 'folders joined by `:`', 'Where the GPU hosts look for the libraries of CUDA and cuDNN, before the usual places.'),
  CPU_WORKERS: setting(z.union([auto, integer(0, 1024)]), 'auto', '`auto` or a number from 0 to 1024', 'CPU slots, one thread each. `auto` takes the cores that this process may use; 0 needs a GPU.'),
  ARENA_MIB: setting(integer(16, 1_048_576), '512', 'MiB from 16 up', 'Memory that requests and their outputs share with the device hosts. It is touched only as it fills.'),
  MAX_REQUEST_MIB: setting(integer(1, 16_384), '64', 'MiB from 1 to 16384', 'Largest body of a request, before and after decompression.'),
  QUEUE_SIZE: setting(integer(1, 1_000_000), '4096', 'a number from 1 to 1000000', 'Requests that may wait for one model. Predicted wait refuses sooner, as a rule.'),
  QUEUE_SIZE_TOTAL: setting(integer(1, 10_000_000), '16384', 'a number from 1 to 10000000', 'Requests that may wait in all.'),
  CALLER_LIMIT: setting(integer(1, 1_000_000), null, 'a number from 1 to 1000000', 'Requests that one caller (its API key, its `X-Client-Id`, else its address) may have in at once; more are answered 429. Default: none, callers share what there is.'),
  REQUEST_TIMEOUT_MS: setting(integer(1, 86_400_000), '30000', 'milliseconds from 1 to 86400000', 'Deadline of a request that names none.'),
  BODY_TIMEOUT_MS: setting(integer(100, 3_600_000), '30000', 'milliseconds from 100 to 3600000', 'How long a request may take to arrive.'),
  RESULT_TTL_MS: setting(integer(0, 86_400_000), '60000', 'milliseconds from 0 to 86400000', 'How long events and results can be fetched again.'),
  RESULT_MIB: setting(integer(0, 65_536), '64', 'MiB from 0 to 65536', 'Memory for results that can be fetched again; the oldest go first.'),
  SSE_INTERVAL_MS: setting(integer(10, 60_000), '200', 'milliseconds from 10 to 60000', 'Shortest time between two `queued` events of one request.'),
  SSE_HEARTBEAT_MS: setting(integer(100, 600_000), '15000', 'milliseconds from 100 to 600000', 'Time between heartbeats of an event stream.'),
  WARMUP_BUDGET_MS: setting(integer(0, 600_000), '1000', 'milliseconds from 0 to 600000', 'Time to spend on measuring each model on each device at start.'),
  SHUTDOWN_GRACE_MS: setting(integer(0, 3_600_000), '30000', 'milliseconds from 0 to 3600000', 'How long accepted work may take to finish after SIGTERM.'),
  LOG_LEVEL: setting(choice(['trace', 'debug', 'info', 'warn', 'error', 'silent']), 'info', 'trace, debug, info, warn, error or silent', 'Least severe log line that is written. `debug` writes a line for every request.'),
  LOG_FORMAT: setting(choice(['auto', 'json', 'pretty']), 'auto', 'auto, json or pretty', 'JSON lines, or lines for people; `auto` is pretty on a terminal.'),
  NATIVE: setting(choice(['auto', 'addon', 'fallback']), 'auto', 'auto, addon or fallback', 'The C++ addon, or its slower TypeScript fallback; `auto` takes the addon where it loads.'),
  HF_ENDPOINT: setting(z.url(), 'https://huggingface.co', 'a URL', 'Hub that `hf:` sources are fetched from.'),
} as const;

export type SettingName = keyof typeof SETTINGS;

/** Every setting, parsed; null where a variable is unset and has no fixed default. */
export type Settings = {
  readonly [Name in SettingName]: z.output<(typeof SETTINGS)[Name]['schema']> | ((typeof SETTINGS)[Name]['fallback'] extends null ? null : never);
};
