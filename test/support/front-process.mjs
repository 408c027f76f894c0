// A front of its own, for a test to kill: starts a CPU host from dist/ and prints its pid once it is ready.
import { createArena } from '../../dist/arena/arena.js';
import { createMemory } from '../../dist/arena/memory.js';
import { systemClock } from '../../dist/contracts/clock.js';
import { createDevices } from '../../dist/devices/index.js';
import { loadNative } from '../../dist/native/load.js';

const native = loadNative('auto').module;
const quiet = () => undefined;
const plan = { devices: [{ id: 'cpu', kind: 'cpu', provider: 'cpu', slots: 1, prefetch: 1, gpu: null }], sentence: '' };
const [cpu] = createDevices(plan, {
  arena: createArena(createMemory(native, 2 ** 24)),
  native,
  clock: systemClock,
  environment: {},
  libraryPath: [],
  log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  listener: {
    batchStarted: quiet,
    batchDone: quiet,
    batchLost: quiet,
    stateChanged: (_, state) => {
      if (state === 'READY') process.stdout.write(`${cpu.status().pid}\n`);
    },
  },
});
