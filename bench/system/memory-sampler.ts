import { readTreePssBytes } from './process-tree.ts';

/** smaps_rollup walks page tables, some milliseconds for a big server: once a second is below 1 % of a core. */
const INTERVAL_MS = 1000;

/** Watches the memory of a process tree. Call the returned function to stop; it gives the highest sum of PSS in MiB. */
export function samplePeakMemory(rootPid: number): () => number {
  let peakBytes = readTreePssBytes(rootPid);
  const timer = setInterval(() => {
    try {
      peakBytes = Math.max(peakBytes, readTreePssBytes(rootPid));
    } catch {
      clearInterval(timer); // the server is gone: the trial itself reports that
    }
  }, INTERVAL_MS);
  return () => {
    clearInterval(timer);
    return peakBytes / 2 ** 20;
  };
}
