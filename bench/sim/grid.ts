/** Which cells are run. */
import type { Cell } from './cell.ts';
import { CURVES, curveNamed } from './curves.ts';
import { makeCell, WORKLOADS } from './workloads.ts';

const LOADS = [0.3, 0.7, 0.95, 1.2, 2, 3];
const SEED = 11;

interface CellName {
  readonly workload: string;
  readonly curve: string;
  readonly load: number;
  readonly devices: number;
}

/** Poisson at every load on 1, 2 and 8 devices, and on 64 where queues are short or long; the other workloads at three loads on 2 devices. */
function names(): CellName[] {
  const cells: CellName[] = [];
  for (const { name: curve } of CURVES) {
    for (const devices of [1, 2, 8]) for (const load of LOADS) cells.push({ workload: 'poisson', curve, load, devices });
    for (const load of [0.7, 0.95, 2]) {
      for (const workload of Object.keys(WORKLOADS)) if (workload !== 'poisson') cells.push({ workload, curve, load, devices: 2 });
    }
  }
  for (const curve of ['cpu-cnn', 'gpu-t4']) for (const load of [0.7, 0.95, 2]) cells.push({ workload: 'poisson', curve, load, devices: 64 });
  return cells;
}

/** The cells, made one at a time: each holds tens of thousands of arrivals. `only`: a part of "workload curve load × devices". */
export function* grid(only: string): Generator<Cell> {
  for (const name of names()) {
    if (!cellName(name).includes(only)) continue;
    yield makeCell(name.workload, curveNamed(name.curve), name.load, name.devices, SEED);
  }
}

export function cellName({ workload, curve, load, devices }: { readonly workload: string; readonly curve: string; readonly load: number; readonly devices: number | readonly unknown[] }): string {
  return `${workload} ${curve} ${load} × ${typeof devices === 'number' ? devices : devices.length}`;
}
