import { createRandom } from '../inputs/random.ts';

/**
 * A Poisson process: each call gives the time of the next arrival in milliseconds from the start. The gaps are
 * exponential with mean 1000 ÷ `ratePerSecond`, and arrivals never wait for answers: that is what makes a load open.
 */
export function createArrivals(ratePerSecond: number, seed: number): () => number {
  if (!(ratePerSecond > 0)) throw new RangeError(`arrival rate must be above 0, got ${ratePerSecond}`);
  const random = createRandom(seed);
  const meanGapMs = 1000 / ratePerSecond;
  let atMs = 0;
  return () => {
    atMs -= Math.log(1 - random()) * meanGapMs;
    return atMs;
  };
}
