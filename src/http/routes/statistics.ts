/**
 * Triton's statistics extension, and beside it what the scheduler believes that batches cost. perf_analyzer reads every key of
 * Triton's unchecked, so all of them are always there, as integers.
 */
import type { BatchCosts, DurationStat, ModelStatistics } from '../../contracts/stages.ts';
import type { HttpContext } from '../context.ts';
import { modelPaths, ok, type Route } from './route.ts';

const NOTHING: DurationStat = { count: 0, ns: 0 };

export function statisticsRoutes({ deps: { repository, statistics, costs } }: HttpContext): readonly Route[] {
  const ofVersion = (name: string, version: string): object => ({
    ...modelStatistics(name, version, statistics.of(`${name}/${version}`)),
    batch_costs: costs(repository.resolve(name, version).key).map(batchCosts),
  });
  return [
    {
      path: '/v2/models/stats',
      methods: {
        GET: () => ok({ model_stats: repository.index().filter(({ state }) => state === 'READY').map(({ name, version }) => ofVersion(name, version)) }),
      },
    },
    ...modelPaths('/stats').map((path): Route => ({
      path,
      methods: {
        GET: ({ params }) => {
          const asked = repository.resolve(params['model'] ?? '', params['version']);
          const versions = params['version'] === undefined ? repository.versions(asked.name) : [asked.version];
          return ok({ model_stats: versions.map((version) => ofVersion(asked.name, version)) });
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

function batchCosts({ device, bucket, bestRows, maxRows, drift, sizes }: BatchCosts): object {
  return {
    device, shape: bucket, best_batch_size: bestRows, max_batch_size: maxRows, drift: rounded(drift),
    sizes: sizes.map(({ rows, ms, batches }) => ({ batch_size: rows, predicted_ms: rounded(ms), executions: batches })),
  };
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function duration({ count, ns }: DurationStat = NOTHING): DurationStat {
  return { count, ns: Math.round(ns) };
}
