/** The command line: names, options and help. Each command's code is loaded when it runs. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { SluiceError } from '../errors.ts';
import { packageVersion } from '../version.ts';
import { CommandError, UsageError, type CliIo } from './io.ts';

const DEFAULT_URL = 'http://127.0.0.1:8000';

/** 0: done. 1: it failed. 2: called in a wrong way, or with a wrong setting. */
export type ExitCode = 0 | 1 | 2;

/** Runs one command. `args`: without node and script. Never throws. */
export async function runCli(args: readonly string[], io: CliIo): Promise<ExitCode> {
  const program = buildProgram(io);
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const { debug } = program.opts<{ debug: boolean }>();
    io.err(`sluice: ${describe(error, debug)}\n`);
    return error instanceof UsageError || (error instanceof SluiceError && error.code === 'CONFIG_INVALID') ? 2 : 1;
  }
}

function buildProgram(io: CliIo): Command {
  const program = new Command('sluice')
    .description('GPU-aware inference server for ONNX models')
    .version(packageVersion(), '-V, --version')
    .option('--debug', 'show stacks of errors', false)
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .showHelpAfterError('(add --help for the options)');
  serveOptions(program.command('serve').copyInheritedSettings(program), io);
  devicesOptions(program.command('devices').copyInheritedSettings(program), io);
  inspectOptions(program.command('inspect').copyInheritedSettings(program), io);
  inferOptions(program.command('infer').copyInheritedSettings(program), io);
  program.addHelpText('after', examples(['sluice serve', 'MODELS_DIR=./models PORT=9000 sluice serve', 'sluice inspect model.onnx', 'sluice infer text-orientation examples/upright.png --stream']));
  return program;
}

function serveOptions(command: Command, io: CliIo): void {
  command
    .description('start the server')
    .addHelpText('after', examples(['sluice serve', 'MODELS_DIR=./models PORT=9000 sluice serve', 'GPU_COUNT=0 CPU_WORKERS=2 sluice serve']))
    .addHelpText('after', '\nEvery setting is an environment variable: sluice serve --settings lists them.')
    .option('--settings', 'list the settings and their defaults', false)
    .action(async ({ settings }: { settings: boolean }) => {
      if (settings) (await import('./commands/settings.ts')).settingsCommand(io);
      else await (await import('./commands/serve.ts')).serveCommand(io);
    });
}

function devicesOptions(command: Command, io: CliIo): void {
  command
    .description('show the devices that the server would use')
    .option('--json', 'as JSON', false)
    .addHelpText('after', examples(['sluice devices', 'GPU_COUNT=2 sluice devices --json']))
    .action(async (options: { json: boolean }) => {
      (await import('./commands/devices.ts')).devicesCommand(options, io);
    });
}

function inspectOptions(command: Command, io: CliIo): void {
  command
    .description('load a model in a process of its own and tell what it takes, gives, and whether it batches')
    .argument('<file>', 'an ONNX file')
    .option('--json', 'as JSON', false)
    .option('--shape <input=sizes...>', 'shape of one row to measure with, e.g. x=3,48,192', shapes, {})
    .option('--budget <ms>', 'time for measuring', positiveInteger, 2000)
    .addHelpText('after', examples(['sluice inspect model.onnx', 'sluice inspect model.onnx --shape x=3,48,320 --json']))
    .action(async (file: string, options: { json: boolean; shape: Record<string, number[]>; budget: number }) => {
      await (await import('./commands/inspect.ts')).inspectCommand(file, options, io);
    });
}

function inferOptions(command: Command, io: CliIo): void {
  command
    .description('send files to a running server and print the answers')
    .argument('<model>', 'name of the model')
    .argument('<files...>', 'tensors (.npy, .json), requests (.json) or pictures (PNG, JPEG); input=file for a model with several inputs')
    .option('--url <url>', 'where the server is', DEFAULT_URL)
    .option('--model-version <number>', 'version of the model (default: the newest)')
    .option('--stream', 'print the events of each request as they come', false)
    .option('--json', 'print each answer as one line of JSON', false)
    .option('--top <count>', 'how many labels to show', positiveInteger, 1)
    .addHelpText('after', examples(['sluice infer text-orientation examples/upright.png examples/upside-down.png --stream', 'sluice infer text-recognition examples/upright.png', 'sluice infer vad input=audio.npy state=state.npy sr=rate.json']))
    .action(async (model: string, files: string[], { modelVersion, ...options }: { url: string; modelVersion?: string; stream: boolean; json: boolean; top: number }) => {
      await (await import('./commands/infer.ts')).inferCommand(model, files, { ...options, ...(modelVersion === undefined ? {} : { version: modelVersion }) }, io);
    });
}

function examples(lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 1 up.');
  return Number(text);
}

function shapes(text: string, before: Readonly<Record<string, readonly number[]>>): Readonly<Record<string, readonly number[]>> {
  const match = /^(.+)=(\d+(?:,\d+)*)?$/.exec(text);
  if (match === null) throw new InvalidArgumentError('It must be an input and sizes, such as x=3,48,192.');
  const [, name = '', sizes = ''] = match;
  return { ...before, [name]: sizes === '' ? [] : sizes.split(',').map(Number) };
}

/** One line; with `debug` the stack and what caused it. */
function describe(error: unknown, debug: boolean): string {
  if (!(error instanceof Error)) return String(error);
  if (debug) return error.cause === undefined ? (error.stack ?? error.message) : `${error.stack ?? error.message}\ncaused by ${describe(error.cause, true)}`;
  const explained = error instanceof CommandError || error instanceof UsageError || error instanceof SluiceError;
  return explained ? error.message : `${error.message} (--debug shows where)`;
}
