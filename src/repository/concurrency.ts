/** Concurrency ids that models share by name (Gradio's rule): one of them declares the limit, the others only name the id. */
import { SluiceError } from '../errors.ts';
import type { ModelDescription } from './model-json.ts';

/** As in Gradio: work of an id whose limit nobody declares runs one at a time. */
const DEFAULT_LIMIT = 1;

/** Limits by id. Two models that declare different limits for one id are an error (CONFIG_INVALID), never "the lowest wins". */
export function concurrencyLimits(models: Iterable<{ readonly name: string; readonly description: Pick<ModelDescription, 'concurrency'> }>): ReadonlyMap<string, number> {
  const limits = new Map<string, number>();
  const declarers = new Map<string, string>();
  for (const { name, description: { concurrency } } of models) {
    if (concurrency === null) continue;
    const declarer = declarers.get(concurrency.id);
    if (concurrency.limit === null || declarer === undefined) {
      if (declarer === undefined) limits.set(concurrency.id, concurrency.limit ?? DEFAULT_LIMIT);
      if (concurrency.limit !== null) declarers.set(concurrency.id, name);
      continue;
    }
    const declared = limits.get(concurrency.id);
    if (declared !== concurrency.limit) throw new SluiceError('CONFIG_INVALID', `concurrency_id "${concurrency.id}" has concurrency_limit ${declared ?? DEFAULT_LIMIT} in ${declarer}/model.json and ${concurrency.limit} in ${name}/model.json: declare it once`);
  }
  return limits;
}
