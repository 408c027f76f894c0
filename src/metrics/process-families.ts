/** Metric families of this process, as prom-client collects them: CPU, memory, descriptors, event loop delay, GC. */
import { collectDefaultMetrics, Registry } from 'prom-client';
import { boundText, type Family, labelText, type MetricType } from './exposition.ts';

/** Not taken: lists of handles, whose gauges end in `_total`, which OpenMetrics keeps for counters. */
const UNWANTED_PREFIX = 'nodejs_active_';

type MetricJson = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number];

/** Starts collecting (event loop delay, GC) and returns a function that reads everything. */
export function createProcessFamilies(): () => Promise<readonly Family[]> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return async () => {
    const metrics = await registry.getMetricsAsJSON();
    return metrics.filter((metric) => !metric.name.startsWith(UNWANTED_PREFIX)).map(toFamily);
  };
}

function toFamily(metric: MetricJson): Family {
  return {
    name: metric.name,
    help: metric.help,
    // The declaration says it is an enum of numbers; at run time it is the name.
    type: String(metric.type) as MetricType,
    samples(emit) {
      for (const sample of metric.values) {
        const { le, ...labels } = sample.labels;
        const text = labelText(definedLabels(le === undefined ? labels : { ...labels, le: boundText(Number(le === '+Inf' ? Infinity : le)) }));
        emit(text, sample.value, 'metricName' in sample ? String(sample.metricName).slice(metric.name.length) : '');
      }
    },
  };
}

function definedLabels(labels: Readonly<Partial<Record<string, string | number>>>): Record<string, string | number> {
  const defined: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(labels)) if (value !== undefined) defined[name] = value;
  return defined;
}
