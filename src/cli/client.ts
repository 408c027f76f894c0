/** A small client of Sluice's own protocol. */
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { parseImageInput } from '../repository/model-json.ts';
import type { InferRequest, InputModel } from './input/files.ts';
import { CommandError, UsageError } from './io.ts';
import { fieldsOf, readError, readParameters, readResponse, readTensors, type InferResponse } from './wire.ts';

/** What a model says of itself, as far as the command line needs it. */
export interface RemoteModel extends InputModel {
  readonly labels: readonly string[] | null;
  readonly decode: 'classes' | 'ctc';
}

export interface RequestEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export class Client {
  readonly #url: string;

  /** `url`: where the server is, e.g. http://127.0.0.1:8000. */
  constructor(url: string) {
    if (!URL.canParse(url) || !/^https?:/.test(url)) throw new UsageError(`--url ${url}: must be a URL such as http://127.0.0.1:8000`);
    this.#url = url.replace(/\/+$/, '');
  }

  async model(name: string, version: string | undefined): Promise<RemoteModel> {
    const path = modelPath(name, version);
    const metadata = fieldsOf(await this.#get(path));
    const parameters = readParameters(fieldsOf(await this.#get(`${path}/config`))['parameters']);
    const labels = parameters.get('labels');
    return {
      name,
      inputs: readTensors(metadata['inputs']),
      image: parseImageInput(parameters.get('image')),
      labels: Array.isArray(labels) ? labels.map(String) : null,
      decode: parameters.get('decode') === 'ctc' ? 'ctc' : 'classes',
    };
  }

  async infer(name: string, version: string | undefined, request: InferRequest): Promise<InferResponse> {
    const response = await this.#post(name, version, request, 'application/json');
    return readResponse(await response.json());
  }

  /** Events as they come; the last one is `result` or `error`. */
  async *stream(name: string, version: string | undefined, request: InferRequest): AsyncGenerator<RequestEvent> {
    const response = await this.#post(name, version, request, 'text/event-stream');
    if (response.body === null) throw new CommandError('the server sent no events');
    const events = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    for await (const { event, data } of events) yield { type: event ?? 'message', data: fieldsOf(JSON.parse(data)) };
  }

  async #post(name: string, version: string | undefined, { json, binary }: InferRequest, accept: string): Promise<Response> {
    const head = Buffer.from(json);
    const headers = binary.length === 0 ? { 'content-type': 'application/json' } : { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(head.length) };
    return this.#request(`${modelPath(name, version)}/infer`, { method: 'POST', headers: { ...headers, accept }, body: Buffer.concat([head, ...binary]) });
  }

  async #get(path: string): Promise<unknown> {
    return (await this.#request(path, {})).json();
  }

  async #request(path: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(`${this.#url}${path}`, init);
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
      throw new CommandError(`no answer from ${this.#url} (${cause}): is the server running? Start it with: sluice serve`, { cause: error });
    }
    if (response.ok) return response;
    const message = readError(await response.json().catch(() => null));
    throw new CommandError(message ?? `the server answered ${response.status} ${response.statusText}`.trim());
  }
}

function modelPath(name: string, version: string | undefined): string {
  return `/v2/models/${encodeURIComponent(name)}${version === undefined ? '' : `/versions/${encodeURIComponent(version)}`}`;
}
