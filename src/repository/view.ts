/** A model as other stages and clients see it, from its description and what was measured. */
import type { LoadReport, ModelKey, ModelSource, ServingModel } from '../contracts/model.ts';
import type { ModelConfigView } from '../contracts/stages.ts';
import type { Serving } from './catalog.ts';
import type { ModelDescription } from './model-json.ts';
import type { Placement } from './placement.ts';

/** `name/version`, and `name/version@n` for what was loaded again while it served. */
export function modelKey(name: string, version: string, revision: number): ModelKey {
  return revision === 1 ? `${name}/${version}` : `${name}/${version}@${revision}`;
}

export function modelSource(key: ModelKey, name: string, version: string, path: string, description: ModelDescription, warmupBudgetMs: number): ModelSource {
  const { policy, batchTolerance, warmupShapes } = description;
  return { key, name, version, path, warmupShapes, ...(policy.maxBatchSize === null ? {} : { maxBatchSize: policy.maxBatchSize }), batchTolerance, warmupBudgetMs };
}

export function servingModel(source: ModelSource, placement: Placement, description: ModelDescription, concurrencyLimit: number | undefined): ServingModel {
  const { inputs, outputs, batching } = placement;
  return Object.freeze({
    key: source.key,
    name: source.name,
    version: source.version,
    inputs,
    outputs,
    batching,
    policy: description.policy,
    concurrency: description.concurrency === null ? null : { id: description.concurrency.id, limit: concurrencyLimit ?? 1 },
    dynamicShapes: inputs.some(({ shape }, index) => shape.some((size, axis) => size === -1 && axis !== batching.inputAxes[index])),
  });
}

/** Why the description does not fit the file; null when it does. */
export function misfit(placement: Placement, description: ModelDescription): string | null {
  const names = placement.inputs.map(({ name }) => name);
  const wrong = Object.keys(description.warmupShapes).find((name) => !names.includes(name));
  if (wrong !== undefined) return `model.json: warmup names the input "${wrong}", but the model has: ${names.join(', ')}`;
  if (description.image !== null && !names.includes(description.image.input)) return `model.json: image.input is "${description.image.input}", but the model has: ${names.join(', ')}`;
  return null;
}

export function configView({ model, reports, description, labels }: Serving): ModelConfigView {
  return {
    name: model.name,
    platform: 'onnxruntime_onnx',
    maxBatchSize: model.batching.batchable ? (model.policy.maxBatchSize ?? largestMeasured(reports.values())) : 0,
    maxQueueDelayMs: model.policy.maxQueueDelayMs,
    preferredBatchSizes: model.policy.preferredBatchSizes,
    inputs: model.inputs,
    outputs: model.outputs,
    parameters: {
      batching: model.batching.reason,
      ...(description.description === null ? {} : { description: description.description }),
      ...(description.image === null ? {} : { image: JSON.stringify(description.image) }),
      ...(labels === null ? {} : { labels: JSON.stringify(labels), decode: JSON.stringify(description.decode) }),
    },
  };
}

function largestMeasured(reports: Iterable<LoadReport>): number {
  let largest = 1;
  for (const { costs } of reports) for (const { rows } of costs) largest = Math.max(largest, rows);
  return largest;
}
