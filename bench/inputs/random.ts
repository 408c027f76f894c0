/**
 * Seeded random numbers: every run of the benchmark sends the same inputs and the same arrival pattern.
 */

/**
 * A generator of uniform numbers in [0, 1) (mulberry32, public domain, Tommy Ettinger): 32 bits of state are plenty
 * for pictures and arrivals, and the same seed gives the same sequence on every machine.
 */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
