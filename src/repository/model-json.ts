/** model.json: what an operator may say about a model. All of it is optional; what the ONNX file tells is never asked for. */
import { z } from 'zod';
import type { BatchingPolicy } from '../contracts/model.ts';
import { nearest } from './nearest.ts';
import { isRemote, parseSource, type SourceLocation } from './source-location.ts';

/** Largest difference between a row alone and in a batch, relative to the output's magnitude: float32 sums in another order stay two orders below. */
const DEFAULT_BATCH_TOLERANCE = 1e-4;

const count = z.int().min(1).max(1_000_000);
const side = z.int().min(1).max(16_384);
const channelValues = z.array(z.number()).min(1).max(4);
const location = z.string().min(1).max(2_000);

/** How `sluice infer` makes a row of a picture: each value is (byte / 255 − mean) / std. */
const imageSchema = z.strictObject({
  input: z.string().min(1),
  width: side,
  height: side,
  /** With it, wider pictures make wider tensors, up to this; only for `fit: line`. */
  max_width: side.optional(),
  layout: z.enum(['NCHW', 'NHWC']).default('NCHW'),
  channels: z.enum(['rgb', 'bgr', 'gray']).default('rgb'),
  /**
   * stretch: to width × height exactly. pad: as large as it fits without distortion, from the top left. line: to the full
   * height, squeezed only where that makes it too wide, as text lines are. What stays free is 0 after scaling.
   */
  fit: z.enum(['stretch', 'pad', 'line']).default('stretch'),
  mean: channelValues.default([0, 0, 0]),
  std: channelValues.default([1, 1, 1]),
});
export type ImageInput = z.infer<typeof imageSchema>;

const versionsSchema = z.union([z.literal('all'), z.strictObject({ latest: count })], 'must be "all" or {"latest": n}');
export type VersionPolicy = z.infer<typeof versionsSchema>;

const modelJsonSchema = z.strictObject({
  /** For the reader; must be the folder's name. */
  name: z.string().optional(),
  description: z.string().max(2_000).optional(),
  /** npm:package/path, file:path, https://…, or hf:owner/repo@revision/path: then there is no version folder. */
  source: location.optional(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lowercase hexadecimal digits').optional(),
  /** Which version folders serve: { "latest": n } (default 1) or "all". */
  versions: versionsSchema.optional(),
  max_batch_size: count.optional(),
  max_queue_delay_ms: z.number().min(0).max(60_000).optional(),
  preferred_batch_sizes: z.array(count).min(1).optional(),
  batch_tolerance: z.number().positive().max(1).optional(),
  concurrency_id: z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must be 1 to 64 of the characters A-Z a-z 0-9 _ . -').optional(),
  concurrency_limit: count.optional(),
  /** Row shapes (without the batch axis) to warm up and measure with, by input name. */
  warmup: z.record(z.string(), z.array(side)).optional(),
  image: imageSchema.optional(),
  /** Names of the classes, by index, or where a text file of them lies (one a line). */
  labels: z.union([z.array(z.string()).min(1), location], 'must be a list of names, or npm:package/path or file:path of a text file').optional(),
  /** classes: the output's last axis holds scores. ctc: a sequence of characters; index 0 is the blank, the one after the labels a space. */
  decode: z.enum(['classes', 'ctc']).optional(),
});

/** model.json with every default filled in. */
export interface ModelDescription {
  readonly description: string | null;
  readonly source: SourceLocation | null;
  readonly sha256: string | null;
  readonly versions: VersionPolicy;
  readonly policy: BatchingPolicy;
  readonly batchTolerance: number;
  /** `limit` is null where the model only names an id that another one declares. */
  readonly concurrency: { readonly id: string; readonly limit: number | null } | null;
  readonly warmupShapes: Readonly<Record<string, readonly number[]>>;
  readonly image: ImageInput | null;
  readonly labels: readonly string[] | SourceLocation | null;
  readonly decode: 'classes' | 'ctc';
}

/** Thrown for a model.json that is wrong: `message` names the key, what was found and what is allowed. */
export class ModelJsonError extends Error {
  override readonly name = 'ModelJsonError';
}

/** A model without a model.json. */
export const DEFAULT_DESCRIPTION: ModelDescription = describe({});

/** Reads the text of `<folder>/model.json`. Throws ModelJsonError. */
export function parseModelJson(text: string, folder: string): ModelDescription {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ModelJsonError(`model.json is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = modelJsonSchema.safeParse(json);
  if (!parsed.success) throw new ModelJsonError(`model.json: ${parsed.error.issues.map(explain).join('; ')}`);
  const { data } = parsed;
  if (data.name !== undefined && data.name !== folder) throw new ModelJsonError(`model.json: name is "${data.name}", but the folder is "${folder}": a model's name is its folder's`);
  return describe(data);
}

/** Reads an image description that came over the wire. Null when it is none. */
export function parseImageInput(value: unknown): ImageInput | null {
  const parsed = imageSchema.safeParse(value);
  return parsed.success ? parsed.data : null;
}

function describe(json: z.infer<typeof modelJsonSchema>): ModelDescription {
  const source = json.source === undefined ? null : locate('source', json.source);
  if (json.concurrency_limit !== undefined && json.concurrency_id === undefined) throw new ModelJsonError('model.json: concurrency_limit needs a concurrency_id');
  if (json.concurrency_id === 'cpu') throw new ModelJsonError('model.json: concurrency_id "cpu" is the device\'s own; choose another name');
  if (source !== null && isRemote(source) && json.sha256 === undefined) throw new ModelJsonError('model.json: a source that is downloaded needs its sha256');
  if (json.sha256 !== undefined && source === null) throw new ModelJsonError('model.json: sha256 needs a source');
  checkImage(json.image);
  return {
    description: json.description ?? null,
    source,
    sha256: json.sha256 ?? null,
    versions: json.versions ?? { latest: 1 },
    policy: {
      maxBatchSize: json.max_batch_size ?? null,
      maxQueueDelayMs: json.max_queue_delay_ms ?? null,
      preferredBatchSizes: json.preferred_batch_sizes === undefined ? null : preferredSizes(json.preferred_batch_sizes, json.max_batch_size),
    },
    batchTolerance: json.batch_tolerance ?? DEFAULT_BATCH_TOLERANCE,
    concurrency: json.concurrency_id === undefined ? null : { id: json.concurrency_id, limit: json.concurrency_limit ?? null },
    warmupShapes: json.warmup ?? {},
    image: json.image ?? null,
    labels: typeof json.labels === 'string' ? labelsFile(json.labels) : (json.labels ?? null),
    decode: json.decode ?? 'classes',
  };
}

function checkImage(image: ImageInput | undefined): void {
  if (image?.max_width === undefined) return;
  if (image.fit !== 'line') throw new ModelJsonError('model.json: image.max_width needs "fit": "line"');
  if (image.max_width < image.width) throw new ModelJsonError(`model.json: image.max_width ${image.max_width} is below image.width ${image.width}`);
}

function preferredSizes(sizes: readonly number[], maximum: number | undefined): readonly number[] {
  const ascending = [...new Set(sizes)].sort((a, b) => a - b);
  const largest = ascending.at(-1) ?? 1;
  if (maximum !== undefined && largest > maximum) throw new ModelJsonError(`model.json: preferred_batch_sizes has ${largest}, above max_batch_size ${maximum}`);
  return ascending;
}

function labelsFile(text: string): SourceLocation {
  const found = locate('labels', text);
  if (isRemote(found)) throw new ModelJsonError('model.json: labels must be a list, or a file by npm: or file:');
  return found;
}

function locate(key: string, text: string): SourceLocation {
  const found = parseSource(text);
  if (typeof found === 'string') throw new ModelJsonError(`model.json: ${key} "${text}" ${found}`);
  return found;
}

/** One sentence for one zod issue. */
function explain(issue: z.core.$ZodIssue): string {
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const allowed = Object.keys(issue.path[0] === 'image' ? imageSchema.shape : modelJsonSchema.shape);
    return issue.keys.map((key) => `unknown key "${path === '' ? '' : `${path}.`}${key}" (did you mean "${nearest(key, allowed)}"?)`).join('; ');
  }
  return `${path === '' ? 'the root' : path}: ${issue.message}`;
}
