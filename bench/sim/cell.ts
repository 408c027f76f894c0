/** One simulated situation, the same for every policy: models with their true costs, devices, and who sends what when. */

/** True milliseconds of a batch, by rows; between the sizes a line. */
export interface Curve {
  readonly name: string;
  /** Where the figures come from. */
  readonly source: string;
  readonly kind: 'cpu' | 'gpu';
  readonly sizes: readonly number[];
  readonly ms: readonly number[];
  /** What its callers wait, at most. */
  readonly deadlineMs: number;
}

export interface SimModel {
  readonly name: string;
  readonly curve: Curve;
  /** True where requests differ in length. */
  readonly dynamic: boolean;
}

export interface Arrival {
  readonly atMs: number;
  /** Index of the model. */
  readonly model: number;
  /** Length over that of the warm-up: costs are proportional to it. */
  readonly length: number;
  readonly deadlineMs: number;
  readonly caller: string;
}

export interface SimDeviceSpec {
  readonly id: string;
  readonly slots: number;
}

export interface Cell {
  readonly workload: string;
  readonly curve: string;
  readonly load: number;
  readonly models: readonly SimModel[];
  readonly devices: readonly SimDeviceSpec[];
  readonly arrivals: readonly Arrival[];
  /** Arrivals before it are warm-up and not counted. */
  readonly countFromMs: number;
  readonly endMs: number;
  /** A device is away. */
  readonly outages: readonly { readonly device: number; readonly fromMs: number; readonly toMs: number }[];
  /** Everything costs `factor` × as much. */
  readonly slowdowns: readonly { readonly fromMs: number; readonly toMs: number; readonly factor: number }[];
  readonly seed: number;
}

/** Milliseconds of a batch on the curve, without noise. */
export function curveMs({ sizes, ms }: Curve, rows: number): number {
  const above = sizes.findIndex((size) => size >= rows);
  if (above === -1) return (ms.at(-1)! * rows) / sizes.at(-1)!;
  if (above === 0 || sizes[above] === rows) return ms[above]!;
  const share = (rows - sizes[above - 1]!) / (sizes[above]! - sizes[above - 1]!);
  return ms[above - 1]! + share * (ms[above]! - ms[above - 1]!);
}

/** Most rows per millisecond of one slot, over all measured sizes. */
export function bestRate(curve: Curve): number {
  return Math.max(...curve.sizes.map((size, index) => size / curve.ms[index]!));
}

/** How long a batch really takes when it starts at `atMs`. */
export function trueMs(cell: Cell, model: SimModel, rows: number, length: number, atMs: number, noise: () => number): number {
  const slow = cell.slowdowns.find(({ fromMs, toMs }) => atMs >= fromMs && atMs < toMs);
  return curveMs(model.curve, rows) * length * (slow?.factor ?? 1) * noise();
}

/** Multiplies by something near 1: the spread that a quiet machine shows. */
export function createNoise(random: () => number): () => number {
  return () => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return Math.exp(0.04 * normal);
  };
}
