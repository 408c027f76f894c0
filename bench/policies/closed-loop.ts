/** Closed-loop load on raw connections, with every answer checked against the one that the same input gets alone. */
import { createRandom } from '../inputs/random.ts';
import { Connection, type ConnectionOwner } from '../load/connection.ts';
import { buildRequest } from '../load/requests.ts';
import type { ParsedResponse } from '../load/response-parser.ts';
import { INPUT_NAME } from './models.ts';

const INPUTS = 32;
const READ_BUFFER_BYTES = 64 * 1024;
/** Elements of an answer that are compared: some outputs have hundreds of thousands. */
const COMPARED_ELEMENTS = 256;
/** Of the largest magnitude: what a batch may differ from its rows alone (model.json's batch_tolerance is 1e-3 too). */
const TOLERANCE = 1e-3;

/** Different finished requests for one model. */
export function drawRequests(url: URL, model: string, shape: readonly number[], seed: number): Buffer[] {
  const random = createRandom(seed);
  const values = shape.reduce((count, size) => count * size, 1);
  const header = JSON.stringify({ inputs: [{ name: INPUT_NAME, shape, datatype: 'FP32', parameters: { binary_data_size: 4 * values } }], parameters: { binary_data_output: true } });
  return Array.from({ length: INPUTS }, () => {
    const row = Buffer.from(Float32Array.from({ length: values }, () => 2 * random() - 1).buffer);
    return buildRequest(url, `/v2/models/${model}/infer`, { 'Inference-Header-Content-Length': String(header.length) }, Buffer.concat([Buffer.from(header), row]));
  });
}

/** A sample of a binary answer's elements. */
function sampleOf({ body, inferenceHeaderLength }: ParsedResponse): Float32Array {
  if (inferenceHeaderLength === undefined) throw new Error('the answer is not binary');
  const count = (body.length - inferenceHeaderLength) / 4;
  const step = Math.max(1, Math.floor(count / COMPARED_ELEMENTS));
  return Float32Array.from({ length: Math.ceil(count / step) }, (_, index) => body.readFloatLE(inferenceHeaderLength + 4 * index * step));
}

function differs(actual: Float32Array, expected: Float32Array): boolean {
  const limit = TOLERANCE * expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  return actual.length !== expected.length || expected.some((value, index) => !(Math.abs(value - (actual[index] ?? NaN)) <= limit));
}

/** What each request must be answered: asked one at a time, of any server. */
export async function expectedAnswers(url: URL, requests: readonly Buffer[]): Promise<Float32Array[]> {
  const answers: Float32Array[] = [];
  await new ClosedLoop(url, requests, 1).run((response, request) => {
    answers[request] = sampleOf(response);
    return answers.length < requests.length;
  });
  return answers;
}

/** Right answers a second over `seconds`. Throws where an answer is wrong or none. */
export async function measureThroughput(url: URL, requests: readonly Buffer[], expected: readonly Float32Array[], connections: number, seconds: number): Promise<number> {
  const startMs = performance.now();
  let answered = 0;
  await new ClosedLoop(url, requests, connections).run((response, request) => {
    if (differs(sampleOf(response), expected[request] ?? new Float32Array())) throw new Error(`input ${request} got another answer than alone`);
    answered += 1;
    return performance.now() - startMs < seconds * 1000;
  });
  return (answered * 1000) / (performance.now() - startMs);
}

/** Each connection sends its next request when the last one is answered, until `goOn` says no. */
class ClosedLoop implements ConnectionOwner {
  readonly #requests: readonly Buffer[];
  readonly #connections: Connection[];
  #next = 0;
  #goOn: (response: ParsedResponse, request: number) => boolean = () => false;
  #end: (error?: Error) => void = () => undefined;

  constructor(url: URL, requests: readonly Buffer[], connections: number) {
    const readBuffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);
    this.#requests = requests;
    this.#connections = Array.from({ length: connections }, () => new Connection(url, readBuffer, this));
  }

  async run(goOn: (response: ParsedResponse, request: number) => boolean): Promise<void> {
    this.#goOn = goOn;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#end = (error) => { if (error === undefined) resolve(); else reject(error); };
        for (const connection of this.#connections) this.#send(connection);
      });
    } finally {
      for (const connection of this.#connections) connection.destroy();
    }
  }

  answered(connection: Connection, request: number, response: ParsedResponse): void {
    try {
      if (response.status !== 200) throw new Error(`status ${response.status}: ${response.body.toString()}`);
      if (this.#goOn(response, request)) this.#send(connection);
      else this.#end();
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)));
    }
  }

  freed(): void {
    // A request is answered only once it is sent, as none is refused here.
  }

  failed(request: number, error: Error): void {
    this.#end(new Error(`request ${request}: ${error.message}`, { cause: error }));
  }

  closed(): void {
    // After `failed`, or at the end.
  }

  #send(connection: Connection): void {
    const request = this.#next;
    this.#next = (request + 1) % this.#requests.length;
    connection.send(request, this.#requests[request] ?? Buffer.alloc(0));
  }
}
