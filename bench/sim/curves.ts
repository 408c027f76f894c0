import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../paths.ts';
import type { Curve } from './cell.ts';

/** Measured or published, with their sources: curves.json. */
export const CURVES: readonly Curve[] = JSON.parse(readFileSync(join(ROOT, 'bench/sim/curves.json'), 'utf8')) as Curve[];

/** @throws Error for a name that curves.json lacks. */
export function curveNamed(name: string): Curve {
  const curve = CURVES.find((each) => each.name === name);
  if (curve === undefined) throw new Error(`curves.json has no curve "${name}"; it has ${CURVES.map((each) => each.name).join(', ')}`);
  return curve;
}
