/** How each server of the benchmark is started: the only place that knows what a server is made of. */
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compiled, MODEL_FILE, ROOT } from './paths.ts';
import { CORES } from './scenarios.ts';
import type { ServerName } from './scenarios.ts';
import type { ChildProcesses } from './system/child-processes.ts';
import { ensureVirtualEnvironment } from './system/python.ts';
import type { ServerCommand } from './system/server-process.ts';
import { MODEL_NAME } from './wire.ts';

/**
 * Gets a server ready to be started, any number of times.
 *
 * @param scratch a folder that lives as long as the run.
 * @throws Error with the reason why the server can't take part.
 */
export async function prepareServer(name: ServerName, children: ChildProcesses, scratch: string): Promise<ServerCommand> {
  switch (name) {
    case 'handler': return nodePeer('./peers/handler.js');
    case 'piscina': return nodePeer('./peers/piscina.js');
    case 'fastapi': return prepareFastApi(children);
    case 'sluice': return prepareSluice(scratch);
  }
}

function nodePeer(script: string): ServerCommand {
  return { file: process.execPath, args: [compiled(script)] };
}

async function prepareFastApi(children: ChildProcesses): Promise<ServerCommand> {
  const folder = join(ROOT, 'bench/peers/fastapi');
  const python = await ensureVirtualEnvironment(children, join(ROOT, 'bench/.venv'), join(folder, 'requirements.txt'));
  return { file: python, args: [join(folder, 'server.py')], env: { MODEL_FILE }, listeners: CORES };
}

/** Sluice with a repository of its own that holds the one model. */
function prepareSluice(scratch: string): ServerCommand {
  const models = join(scratch, 'models');
  const version = join(models, MODEL_NAME, '1');
  mkdirSync(version, { recursive: true });
  copyFileSync(MODEL_FILE, join(version, 'model.onnx'));
  return sluiceCommand(models);
}

/** Sluice as `npm start` runs it, V8 flags included, on a folder of models. */
export function sluiceCommand(modelsDir: string): ServerCommand {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: { start: string } };
  const args = parseStartScript(scripts.start);
  const script = args.find((argument) => argument.endsWith('.js')) ?? '';
  if (!existsSync(join(ROOT, script))) throw new Error(`${script} is missing: run \`npm run build\` first`);
  return {
    file: process.execPath,
    args,
    cwd: ROOT,
    env: { HOST: '127.0.0.1', PORT: '0', MODELS_DIR: modelsDir, GPU_COUNT: '0', LOG_FORMAT: 'json' },
  };
}

/**
 * Arguments of node in package.json's `start` script.
 *
 * @throws Error when the script is not a plain `exec node …` command.
 */
export function parseStartScript(script: string): string[] {
  const [exec, command, ...args] = script.trim().split(/\s+/);
  if (exec !== 'exec' || command !== 'node' || /["'$&|;]/.test(script)) throw new Error(`package.json: the start script must be a plain "exec node" command, got ${script}`);
  return args;
}
