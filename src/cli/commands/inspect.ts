/** `sluice inspect model.onnx` */
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { createArena } from '../../arena/arena.ts';
import { createMemory } from '../../arena/memory.ts';
import { loadConfig } from '../../config/load.ts';
import { systemClock } from '../../contracts/clock.ts';
import type { Device } from '../../contracts/device.ts';
import type { LoadReport } from '../../contracts/model.ts';
import type { TensorSpec } from '../../contracts/tensor.ts';
import { createDevices } from '../../devices/index.ts';
import { loadNative } from '../../native/load.ts';
import { DEFAULT_DESCRIPTION } from '../../repository/model-json.ts';
import { CommandError, type CliIo } from '../io.ts';
import { renderBytes, renderMs, renderShape, renderTable } from '../table.ts';

export interface InspectOptions {
  readonly json: boolean;
  /** Row shapes to measure with, by input. */
  readonly shape: Readonly<Record<string, readonly number[]>>;
  /** Milliseconds for measuring. */
  readonly budget: number;
}

/** Loads, probes and measures a file on one CPU worker, in a process that is ended afterwards. */
export async function inspectCommand(file: string, { json, shape, budget }: InspectOptions, io: CliIo): Promise<void> {
  const path = resolve(file);
  const found = await stat(path).catch(() => null);
  if (found?.isFile() !== true) throw new CommandError(`${file}: there is no such file`);
  const report = await withDevice((device) => device.load({
    key: basename(file), name: basename(file), version: '1', path, warmupShapes: shape, batchTolerance: DEFAULT_DESCRIPTION.batchTolerance, warmupBudgetMs: budget,
  }));
  const unknown = Object.keys(shape).find((name) => report.inputs.every((input) => input.name !== name));
  if (unknown !== undefined) throw new CommandError(`--shape ${unknown}: the model's inputs are ${report.inputs.map(({ name }) => name).join(', ')}`);
  if (json) io.out(`${JSON.stringify({ file, bytes: found.size, ...report }, null, 2)}\n`);
  else io.out(render(basename(file), found.size, report));
}

async function withDevice<Result>(use: (device: Device) => Promise<Result>): Promise<Result> {
  const config = loadConfig();
  const native = loadNative(config.native).module;
  const memory = createMemory(native, config.arenaBytes);
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const [device] = createDevices({ devices: [{ id: 'cpu', kind: 'cpu', provider: 'cpu', slots: 1, prefetch: 1, gpu: null }], sentence: '' }, {
    arena: createArena(memory), native, clock: systemClock, log, environment: config.hostEnvironment, libraryPath: [],
    listener: { batchStarted: () => undefined, batchDone: () => undefined, batchLost: () => undefined, stateChanged: () => undefined, modelLost: () => undefined },
  });
  if (device === undefined) throw new Error('no device was made. This is a bug.');
  try {
    return await use(device);
  } finally {
    await device.close();
    memory.close();
  }
}

function render(file: string, bytes: number, report: LoadReport): string {
  const { inputs, outputs, batching, costs } = report;
  const rows = (kind: string, specs: readonly TensorSpec[], axes: readonly (number | null)[]): string[][] => specs.map(({ name, datatype, shape }, index) => {
    const axis = axes[index] ?? null;
    return [kind, name, datatype, renderShape(shape), !batching.batchable ? '' : axis === null ? 'shared by all rows' : `rows along axis ${axis}`];
  });
  const alone = costs[0]?.medianMs ?? 0;
  return [
    `${file}: ${renderBytes(bytes)}, loaded in ${renderMs(report.loadMs)}\n\n`,
    renderTable(['', 'name', 'datatype', 'shape', 'batch'], [...rows('input', inputs, batching.inputAxes), ...rows('output', outputs, batching.outputAxes)]),
    `\n${batching.batchable ? 'Batches' : 'Does not batch'}: ${batching.reason}\n`,
    '\nMeasured on one CPU thread:\n',
    renderTable(['rows', 'median', '95 %', 'per row', 'against one by one'], costs.map(({ rows: count, medianMs, p95Ms }) => [
      String(count), renderMs(medianMs), renderMs(p95Ms), renderMs(medianMs / count), count === 1 || medianMs === 0 ? '' : `× ${((alone * count) / medianMs).toFixed(2)}`,
    ])),
  ].join('');
}
