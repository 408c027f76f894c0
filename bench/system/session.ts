import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChildProcesses } from './child-processes.ts';

/** Children and a scratch folder that end with this process, Ctrl-C and SIGTERM included. Once a process. */
export function openSession(): { readonly children: ChildProcesses; readonly scratch: string } {
  const children = new ChildProcesses();
  const scratch = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  process.on('exit', () => {
    children.killAll();
    rmSync(scratch, { recursive: true, force: true });
  });
  for (const [signal, number] of [['SIGINT', 2], ['SIGTERM', 15]] as const) process.once(signal, () => process.exit(128 + number));
  return { children, scratch };
}
