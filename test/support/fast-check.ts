/** Property tests are boxed in time, not in runs: a slow machine tries fewer cases rather than failing. */
import fc from 'fast-check';

fc.installGlobalPlugin(fc.interruptAfterTimeLimit(process.env['CI'] === 'true' ? 30_000 : 10_000));
