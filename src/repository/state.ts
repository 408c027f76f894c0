/**
 * The life of one model version:
 *
 *     ┌──────── load ────────┐
 *     ▼                      │
 *  LOADING ──failed──▶ UNAVAILABLE ◀──drained── UNLOADING
 *     │                                             ▲
 *     └──loaded──▶ READY ───────────unload──────────┘
 *
 * A READY version that is loaded again stays READY: the old one serves until the new one can, and for good if it can't.
 */
import type { ModelState } from '../contracts/model.ts';

const LEGAL: Readonly<Record<ModelState, readonly ModelState[]>> = {
  LOADING: ['READY', 'UNAVAILABLE'],
  READY: ['UNLOADING'],
  UNLOADING: ['UNAVAILABLE'],
  UNAVAILABLE: ['LOADING'],
};

/** The next state, where it may follow. Throws Error otherwise. */
export function transition(from: ModelState, to: ModelState): ModelState {
  if (!LEGAL[from].includes(to)) throw new Error(`a model can't go from ${from} to ${to}. This is a bug.`);
  return to;
}
