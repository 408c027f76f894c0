#!/usr/bin/env -S node --initial-old-space-size=256 --max-semi-space-size=32 --no-parallel-scavenge
// The flags keep requests in flight out of the old generation's first collections: half of the front's CPU without them.
import { runCli } from './program.ts';

const code = await runCli(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  interactive: process.stdout.isTTY,
});
// A server goes on after its command: no exit here, and its own code when a signal ends it.
if (code !== 0) process.exitCode = code;
