/** Triton's statistics extension. perf_analyzer reads every key unchecked, so all of them are always there, as integers. */
import { parseModelKey } from '../../contracts/model.ts';
import type { DurationStat, ModelStatistics } from '../../contracts/stages.ts';
import type { HttpContext } from '../context.ts';
import { modelPaths, ok, type Route } from './route.ts';

const NOTHING: DurationStat = { count: 0, ns: 0 };

export function statisticsRoutes({ deps: { repository, statistics } }: HttpContext): readonly Route[] {
  const ofKey = (key: string): object => {
    const { name, version } = parseModelKey(key);
    return modelStatistics(name, version, statistics.of(key));
  };
  return [
    {
      path: '/v2/models/stats',
      methods: {
        GET: () => ok({ model_stats: repository.index().filter(({ state }) => state === 'READY').map(({ name, version }) => ofKey(`${name}/${version}`)) }),
      },
    },
    ...modelPaths('/stats').map((path): Route => ({
      path,
      methods: {
        GET: ({ params }) => {
          const asked = repository.resolve(params['model'] ?? '', params['version']);
          const versions = params['version'] === undefined ? repository.versions(asked.name) : [asked.version];
          return ok({ model_stats: versions.map((version) => ofKey(`${asked.name}/${version}`)) });
        },
      },
    })),
  ];
}

function modelStatistics(name: string, version: string, stats: ModelStatistics | null): object {
  return {
    name,
    version,
    last_inference: Math.round(stats?.lastInferenceMs ?? 0),
    inference_count: stats?.inferenceCount ?? 0,
    execution_count: stats?.executionCount ?? 0,
    inference_stats: {
      success: duration(stats?.success),
      fail: duration(stats?.fail),
      queue: duration(stats?.queue),
      compute_input: duration(stats?.computeInput),
      compute_infer: duration(stats?.computeInfer),
      compute_output: duration(stats?.computeOutput),
      cache_hit: NOTHING,
      cache_miss: NOTHING,
    },
    response_stats: {},
    batch_stats: (stats?.batches ?? []).map((batch) => ({
      batch_size: batch.batchSize,
      compute_input: duration(batch.computeInput),
      compute_infer: duration(batch.computeInfer),
      compute_output: duration(batch.computeOutput),
    })),
    memory_usage: [],
  };
}

function duration({ count, ns }: DurationStat = NOTHING): DurationStat {
  return { count, ns: Math.round(ns) };
}
