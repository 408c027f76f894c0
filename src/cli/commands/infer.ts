/** `sluice infer MODEL FILES…` */
import { Client, type RemoteModel } from '../client.ts';
import { readRequests, type InferRequest } from '../input/files.ts';
import { CommandError, type CliIo } from '../io.ts';
import { describeAnswer } from '../output/answers.ts';
import { describeEvent } from '../output/events.ts';
import { renderMs, renderTable } from '../table.ts';
import { readResponse, type InferResponse } from '../wire.ts';

export interface InferOptions {
  readonly url: string;
  readonly version?: string;
  readonly stream: boolean;
  readonly json: boolean;
  readonly top: number;
}

interface Outcome {
  readonly title: string;
  readonly ms: number;
  readonly response: InferResponse | null;
  readonly error: string;
}

/** All requests at once, so that they may share a batch. Throws CommandError when one of them failed. */
export async function inferCommand(name: string, files: readonly string[], options: InferOptions, io: CliIo): Promise<void> {
  const client = new Client(options.url);
  const model = await client.model(name, options.version);
  const requests = await readRequests(files, model);
  const outcomes = options.stream ? await streamAll(client, model, requests, options, io) : await inferAll(client, model, requests, options);
  if (options.json) for (const { response, title, error } of outcomes) io.out(`${JSON.stringify({ file: title, ...(response ?? { error }) })}\n`);
  else if (!options.stream) io.out(renderTable(['file', 'answer', 'time'], outcomes.flatMap((outcome) => rowsOf(outcome, model, options.top))));
  const failed = outcomes.filter(({ response }) => response === null);
  if (failed.length > 0) throw new CommandError(failed.length === 1 ? `${failed[0]?.title ?? ''}: ${failed[0]?.error ?? ''}` : `${failed.length} of ${outcomes.length} requests failed`);
}

function inferAll(client: Client, model: RemoteModel, requests: readonly InferRequest[], { version }: InferOptions): Promise<readonly Outcome[]> {
  return Promise.all(requests.map((request) => measured(request.title, () => client.infer(model.name, version, request))));
}

/** Prints events as they come, each behind its file's name. */
function streamAll(client: Client, model: RemoteModel, requests: readonly InferRequest[], { version, json, top }: InferOptions, io: CliIo): Promise<readonly Outcome[]> {
  const width = Math.max(...requests.map(({ title }) => title.length));
  return Promise.all(requests.map(({ title, ...request }) => measured(title, async () => {
    const print = (type: string, text: string): void => {
      if (!json) io.out(`${title.padEnd(width)}  ${type.padEnd('started'.length)}  ${text}\n`);
    };
    for await (const event of client.stream(model.name, version, { title, ...request })) {
      if (event.type === 'error') throw new CommandError(describeEvent(event));
      if (event.type !== 'result') {
        print(event.type, describeEvent(event));
        continue;
      }
      const response = readResponse(event.data);
      for (const line of describeAnswer(response, model, top)) print('result', line);
      return response;
    }
    throw new CommandError('the events ended before the result');
  })));
}

async function measured(title: string, infer: () => Promise<InferResponse>): Promise<Outcome> {
  const startedMs = performance.now();
  try {
    return { title, response: await infer(), ms: performance.now() - startedMs, error: '' };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { title, response: null, ms: performance.now() - startedMs, error: error.message };
  }
}

function rowsOf({ title, response, ms, error }: Outcome, model: RemoteModel, top: number): readonly (readonly string[])[] {
  if (response === null) return [[title, `error: ${error}`, renderMs(ms)]];
  return describeAnswer(response, model, top).map((answer, row) => (row === 0 ? [title, answer, renderMs(ms)] : ['', answer, '']));
}
