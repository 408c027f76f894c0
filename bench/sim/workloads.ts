/** Who sends what when. Every workload offers `load` × what the devices can do at their best batch size, on average. */
import { createRandom } from '../inputs/random.ts';
import { bestRate, type Arrival, type Cell, type Curve, type SimDeviceSpec, type SimModel } from './cell.ts';

/** Arrivals of one cell; more would not change what is seen. */
const MAX_ARRIVALS = 60_000;
const MIN_ARRIVALS = 5_000;
/** Deadlines that a cell must last for, so that a queue can build up and be seen to. */
const MIN_DEADLINES = 25;
const WARM_UP_SHARE = 0.2;

interface Shape {
  /** For each cell anew: rate over the mean rate at a moment, which is given as a share of the cell's time. */
  readonly rate: (random: () => number) => (share: number) => number;
  readonly models?: (curve: Curve) => SimModel[];
  readonly length?: (random: () => number) => number;
  readonly deadline?: (random: () => number, curve: Curve) => number;
  readonly caller?: (random: () => number) => string;
  readonly outages?: (endMs: number, devices: number) => Cell['outages'];
  readonly slowdowns?: (endMs: number) => Cell['slowdowns'];
}

const STEADY: Shape['rate'] = () => () => 1;
const ONE_MODEL = (curve: Curve): SimModel[] => [{ name: 'model', curve, dynamic: false }];
/** Text lines by width over 320 pixels: most are short, some long. */
const LENGTHS = [0.5, 0.5, 0.75, 0.75, 0.75, 1, 1, 1, 1.5, 1.5, 2, 3];

export const WORKLOADS: Readonly<Record<string, Shape>> = {
  'poisson': { rate: STEADY },
  'bursts': { rate: bursts },
  'ramp': { rate: () => (share) => 1 + 0.8 * Math.sin(2 * Math.PI * (share - 0.25)) },
  'one huge caller': { rate: STEADY, caller: (random) => (random() < 0.9 ? 'huge' : `caller ${Math.floor(random() * 9)}`) },
  'mixed models': {
    rate: STEADY,
    models: (curve) => [
      { name: 'model', curve, dynamic: false },
      { name: 'light', curve: scaled(curve, 0.4), dynamic: false },
      { name: 'heavy', curve: scaled(curve, 2.5), dynamic: false },
    ],
  },
  'mixed lengths': { rate: STEADY, models: (curve) => [{ name: 'model', curve, dynamic: true }], length: (random) => LENGTHS[Math.floor(random() * LENGTHS.length)]! },
  'mixed deadlines': { rate: STEADY, deadline: (random, { deadlineMs }) => deadlineMs * [0.5, 1, 5][Math.floor(random() * 3)]! },
  'device lost': { rate: STEADY, outages: (endMs, devices) => (devices < 2 ? [] : [{ device: 0, fromMs: endMs * 0.5, toMs: endMs * 0.7 }]) },
  'cost jump': { rate: STEADY, slowdowns: (endMs) => [{ fromMs: endMs * 0.5, toMs: endMs * 0.7, factor: 2 }] },
};

/** Two states, left at random: a fifth of the time at three times the mean rate, else at half of it. */
function bursts(random: () => number): (share: number) => number {
  let high = false;
  let untilShare = 0;
  return (share) => {
    while (share >= untilShare) {
      high = !high;
      untilShare += -Math.log(1 - random()) * (high ? 0.02 : 0.08);
    }
    return high ? 3 : 0.5;
  };
}

function scaled(curve: Curve, factor: number): Curve {
  return { ...curve, ms: curve.ms.map((ms) => ms * factor) };
}

/** @throws Error for a workload that is not known. */
export function makeCell(workload: string, curve: Curve, load: number, deviceCount: number, seed: number): Cell {
  const shape = WORKLOADS[workload];
  if (shape === undefined) throw new Error(`no workload "${workload}"; there are ${Object.keys(WORKLOADS).join(', ')}`);
  const slots = curve.kind === 'cpu' ? 2 : 1;
  const devices = Array.from({ length: deviceCount }, (_, index): SimDeviceSpec => ({ id: `${curve.kind}:${index}`, slots }));
  const models = (shape.models ?? ONE_MODEL)(curve);
  const random = createRandom(seed);
  const meanLength = shape.length === undefined ? 1 : LENGTHS.reduce((sum, length) => sum + length, 0) / LENGTHS.length;
  // Requests choose their model so that each takes the same share of the devices' time.
  const weights = models.map((model) => bestRate(model.curve));
  const perMs = (load * deviceCount * slots) / models.reduce((sum, model, index) => sum + weights[index]! / bestRate(model.curve), 0) / meanLength;
  const meanPerMs = perMs * weights.reduce((sum, weight) => sum + weight, 0);
  const endMs = Math.min(MAX_ARRIVALS / meanPerMs, Math.max(MIN_ARRIVALS / meanPerMs, MIN_DEADLINES * curve.deadlineMs));
  const arrivals: Arrival[] = [];
  const rate = shape.rate(random);
  for (let atMs = 0; ;) {
    atMs += -Math.log(1 - random()) / (meanPerMs * rate(atMs / endMs));
    if (atMs >= endMs) break;
    const deadlineMs = atMs + (shape.deadline?.(random, curve) ?? curve.deadlineMs);
    arrivals.push({ atMs, model: pick(weights, random), length: shape.length?.(random) ?? 1, deadlineMs, caller: shape.caller?.(random) ?? 'caller' });
  }
  return {
    workload, curve: curve.name, load, models, devices, arrivals, countFromMs: endMs * WARM_UP_SHARE, endMs,
    outages: shape.outages?.(endMs, deviceCount) ?? [], slowdowns: shape.slowdowns?.(endMs) ?? [], seed,
  };
}

function pick(weights: readonly number[], random: () => number): number {
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0);
  return Math.max(0, weights.findIndex((weight) => (left -= weight) < 0));
}
