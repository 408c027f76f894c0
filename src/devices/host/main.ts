/**
 * Entry of a device host: a child process that the front spawns for one device. It gets everything by its first message and
 * its descriptors, and nothing from the environment. It ends when the front does.
 */
import { writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { openMemory } from '../../arena/memory.ts';
import { loadNative } from '../../native/load.ts';
import { Channel } from '../channel.ts';
import { ARENA_FD, CONTROL_FD, DOORBELL_FD, parseFrontMessage, type FrontMessage, type HostMessage, type HostSettings } from '../protocol.ts';
import { RingConsumer } from '../ring.ts';
import { loadModel } from './load.ts';
import { WorkerPool } from './pool.ts';

/** The kernel's choice when memory runs out should be a host, which comes back, and not the front. */
const OOM_SCORE = '500';

const control = new Channel(new Socket({ fd: CONTROL_FD, readable: true, writable: true }), {
  message: (value) => {
    const message = parseFrontMessage(value);
    if (message === null) end('a message that is none');
    else receive(message);
  },
  garbage: (reason) => end(`the control channel: ${reason}`),
  // The front is gone. process.exit() would hang behind a thread that runs a session.
  closed: () => process.kill(process.pid, 'SIGKILL'),
});

// A terminal, or a service manager, signals the whole group; accepted work finishes first, and the front says when.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

let pool: WorkerPool | null = null;
let serial = false;
/** Loads and unloads run one after another, so that measuring is not disturbed by another load. */
let tasks: Promise<void> = Promise.resolve();

function receive(message: FrontMessage): void {
  switch (message.type) {
    case 'start':
      start(message.settings).catch(fatal);
      break;
    case 'load':
      perform(message.id, async (workers) => ({ type: 'loaded', id: message.id, loaded: await loadModel(workers, message.source, message.known, serial) }));
      break;
    case 'unload':
      perform(message.id, async (workers) => {
        await workers.askAll('close', { key: message.key });
        return { type: 'unloaded', id: message.id };
      });
      break;
    case 'run':
      started().run(message.order);
      break;
    case 'stop':
      stop().catch(fatal);
      break;
  }
}

function send(message: HostMessage, sent?: () => void): void {
  control.send(message, sent);
}

async function start(settings: HostSettings): Promise<void> {
  volunteer();
  process.title = `sluice ${settings.device}`;
  serial = settings.provider !== 'cpu';
  const { module } = loadNative(settings.native);
  module.shared?.dieWithParent();
  let wake = (): void => undefined;
  if (settings.ring !== null && module.shared !== null) {
    const { buffer } = openMemory(settings.arena.kind, ARENA_FD, settings.arena.byteLength, module).view(settings.ring.region);
    const ring = new RingConsumer(buffer, settings.ring.region, settings.ring.entries, module.shared, DOORBELL_FD);
    wake = () => ring.wakeAll();
  }
  pool = new WorkerPool(settings, wake, {
    started: (batchId, startedMs) => send({ type: 'started', batchId, startedMs }),
    done: (batchId, result) => send({ type: 'done', batchId, result }),
    fatal: (reason) => end(reason),
  });
  await pool.askAll('hello', {});
  send({ type: 'ready' });
}

function volunteer(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', OOM_SCORE);
  } catch (error) {
    process.stderr.write(`oom_score_adj stays as it is: ${messageOf(error)}\n`);
  }
}

function started(): WorkerPool {
  if (pool === null) throw new Error('a message came before `start`');
  return pool;
}

function perform(id: number, task: (workers: WorkerPool) => Promise<HostMessage>): void {
  tasks = tasks.then(async () => {
    try {
      send(await task(started()));
    } catch (error) {
      send({ type: 'failed', id, message: messageOf(error) });
    }
  });
}

async function stop(): Promise<void> {
  await tasks;
  await pool?.close();
  process.exit(0);
}

function fatal(error: unknown): void {
  end(messageOf(error));
}

/** Tells the front why, and dies. A session may be running in a thread: only SIGKILL ends that at once. */
function end(reason: string): void {
  send({ type: 'fatal', reason }, () => process.kill(process.pid, 'SIGKILL'));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
