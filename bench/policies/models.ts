/** The bundled models as a policy's server gets them: the same files, another model.json. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../paths.ts';

/** What a model.json may say about batching. Nothing: Sluice decides. */
export interface Policy {
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

export const DEFAULT_POLICY: Policy = { name: 'default', settings: {} };
export const NO_BATCHING: Policy = { name: 'no batching', settings: { max_batch_size: 1 } };

/** The bundled models, and one row as their users send it. Pictures for detection are small: a large one takes seconds. */
export const BUNDLED_ROWS: Readonly<Record<string, readonly number[]>> = {
  'identity': [1, 1024],
  'text-orientation': [1, 3, 48, 192],
  'text-recognition': [1, 3, 48, 320],
  'text-detection': [1, 3, 320, 320],
};

/** Every bundled model has one FP32 input of this name. */
export const INPUT_NAME = 'x';

/** Writes the bundled models with a policy's settings into `folder`. */
export function writeModels(folder: string, policy: Policy): void {
  for (const model of Object.keys(BUNDLED_ROWS)) writeModel(folder, model, policy);
}

/** One of them. */
export function writeModel(folder: string, model: string, policy: Policy): void {
  const target = join(folder, model);
  cpSync(join(ROOT, 'models', model), target, { recursive: true });
  const file = join(target, 'model.json');
  const json = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify({ ...json, ...policy.settings }));
}
