/**
 * One infer request, from its headers to its answer.
 *
 *   reading ──body complete──► submitted ──outcome──► over
 *      └──refused, client gone──────────────────────►──┘
 *
 * While reading, places in the arena and the admission ticket are held here; submit() hands the places to the pipeline for
 * good. Each way to `over` is taken once, and gives back what is still held.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Job, JobResult, Reply } from '../../contracts/job.ts';
import type { ServingModel } from '../../contracts/model.ts';
import type { RequestRecord } from '../../contracts/results.ts';
import { SluiceError } from '../../errors.ts';
import { BodyReader, tooLarge, type InferRequest } from '../codec/body-reader.ts';
import type { ModelCodec } from '../codec/model-codec.ts';
import { planOutputs, readParameters, type OutputPlan } from '../codec/parameters.ts';
import type { EncodedResponse } from '../codec/response-encoder.ts';
import type { HttpContext } from '../context.ts';
import { toHttpError } from '../error-reply.ts';
import { bytesPayload, errorPayload, smallPayload } from '../sse/payload.ts';
import { resultPayload, sendAnswer } from './answer.ts';
import { readBody, type BodySink } from './body-source.ts';
import { unwatch, watch, type Disconnectable } from './disconnects.ts';
import { acceptedEncoding, bodyFraming, callerOf, contentEncoding, contentLength, expectsContinue, requestTimeoutMs, wantsEvents } from './negotiate.ts';
import { refuse } from './refuse.ts';
import { headerSafeId } from './request-id.ts';

export class InferExchange implements Reply, BodySink, Disconnectable {
  readonly #context: HttpContext;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #receivedMs: number;
  #phase: 'reading' | 'submitted' | 'over' = 'reading';
  /** As the client named it; undefined: the newest. */
  #version: string | undefined = undefined;
  #codec: ModelCodec | null = null;
  #ticket: { release(): void } | null = null;
  #reader: BodyReader | null = null;
  #stopReading: (() => void) | null = null;
  #continued = false;
  #deadlineMs = Infinity;
  #deadlineGiven = false;
  #caller = '';
  #events = false;
  #id = '';
  /** The client's own id, which its answer repeats. */
  #givenId: string | null = null;
  #plan: readonly OutputPlan[] = [];
  #record: RequestRecord | null = null;

  constructor(context: HttpContext, request: IncomingMessage, response: ServerResponse) {
    this.#context = context;
    this.#request = request;
    this.#response = response;
    this.#receivedMs = context.deps.clock.nowMs();
  }

  /** Resolves and admits on the headers, then reads the body. A refusal leaves the body unread. */
  begin(name: string, version: string | undefined): void {
    let model: ServingModel | null = null;
    try {
      const { deps, options } = this.#context;
      const { headers } = this.#request;
      model = deps.repository.resolve(name, version);
      this.#version = version;
      const length = contentLength(headers);
      if (length !== null && length > options.maxBodyBytes) throw tooLarge(options.maxBodyBytes);
      const encoding = contentEncoding(headers);
      const framing = bodyFraming(headers, encoding, length);
      const timeoutMs = requestTimeoutMs(headers);
      this.#deadlineGiven = timeoutMs !== null;
      this.#deadlineMs = this.#receivedMs + (timeoutMs ?? options.requestTimeoutMs);
      this.#caller = callerOf(this.#request);
      this.#events = wantsEvents(headers);
      if (this.#events) this.#context.streams.checkRoom();
      this.#ticket = deps.admission.admit({ model, contentLength: length, caller: this.#caller, deadlineMs: this.#deadlineMs });
      const { key } = model;
      this.#codec = this.#context.codecOf(model);
      this.#reader = new BodyReader(this.#codec, framing, this.#context.bodies, () => deps.pipeline.backlog(key, this.#caller).waitMs);
      watch(this.#request.socket, this);
      if (expectsContinue(this.#request)) {
        this.#continued = true;
        this.#response.writeContinue();
      }
      this.#stopReading = readBody(this.#request, encoding, options.maxBodyBytes, this);
    } catch (thrown) {
      this.#refuse(thrown, model);
    }
  }

  chunk(bytes: Buffer): void {
    if (this.#phase !== 'reading') return;
    try {
      this.#reader?.write(bytes);
    } catch (thrown) {
      this.#refuse(thrown);
    }
  }

  end(): void {
    if (this.#phase !== 'reading' || this.#reader === null || this.#codec === null) return;
    let request: InferRequest | null = null;
    let job: Job;
    try {
      request = this.#reader.end();
      this.#codec = this.#current(this.#codec);
      job = this.#prepare(this.#codec, request);
    } catch (thrown) {
      for (const lease of request?.leases ?? []) lease.release();
      this.#refuse(thrown);
      return;
    }
    this.#submit(job);
  }

  started({ device, batchRows, queueMs }: Parameters<Reply['started']>[0]): void {
    if (this.#events && this.#record?.lastEventId === 0) this.#context.streams.announce(this.#record, true);
    this.#record?.add('started', smallPayload({ request_id: this.#id, device, batch_size: batchRows, queue_ms: Math.round(queueMs * 1000) / 1000 }));
  }

  succeeded(result: JobResult): void {
    try {
      this.#answer(result);
    } catch (thrown) {
      this.failed(toHttpError(thrown, this.#context.deps.log));
    }
  }

  /** As a reply: the job failed. As a body's sink: the body can't be read, and what it has reserved goes back. */
  failed(error: SluiceError): void {
    if (this.#phase === 'over') return;
    if (this.#phase === 'reading') {
      this.#refuse(error);
      return;
    }
    this.#over();
    this.#record?.add('error', errorPayload(this.#id, error));
    if (!this.#response.headersSent) this.#sendError(error);
  }

  /** The client has gone. An event stream can come back for its result; a plain request can't, and leaves the queue. */
  disconnected(): void {
    if (this.#phase === 'over') return;
    if (this.#phase === 'reading') {
      this.#refuse(new SluiceError('CANCELLED', 'the client went away before its request was complete'));
      return;
    }
    if (this.#events && this.#context.deps.results.keepsSettled) return;
    this.#context.deps.pipeline.cancel(this.#id);
    this.#record?.reply.failed(new SluiceError('CANCELLED', 'the client went away before the answer'));
  }

  /** The model may have been loaded again while the body came: what has taken its place gets the request, if it takes the same. Throws as resolve. */
  #current(codec: ModelCodec): ModelCodec {
    const model = this.#context.deps.repository.resolve(codec.model.name, this.#version);
    return model === codec.model || !codec.readsFor(model) ? codec : this.#context.codecOf(model);
  }

  /** What the envelope asks for. Throws for what it may not, and DUPLICATE_ID; the leases are still the caller's then. */
  #prepare(codec: ModelCodec, { envelope, inputs, leases }: InferRequest): Job {
    const { deps, options } = this.#context;
    const parameters = readParameters(envelope.parameters);
    const plan = planOutputs(codec, envelope.outputs, parameters.binaryOutputs);
    // Events are text: there, every output is JSON, whatever the request asks for.
    this.#plan = this.#events ? plan.map((output) => ({ ...output, binary: false })) : plan;
    if (parameters.timeoutMs !== null) {
      const deadlineMs = this.#receivedMs + parameters.timeoutMs;
      this.#deadlineMs = this.#deadlineGiven ? Math.min(this.#deadlineMs, deadlineMs) : deadlineMs;
    }
    this.#givenId = envelope.id === undefined || envelope.id === '' ? null : envelope.id;
    const id = this.#givenId ?? this.#context.nextId();
    this.#record = deps.results.open(id, this);
    this.#id = id;
    return {
      id,
      model: codec.model,
      inputs,
      leases,
      priority: parameters.priority ?? options.defaultPriority,
      deadlineMs: this.#deadlineMs,
      caller: this.#caller,
      enqueuedMs: deps.clock.nowMs(),
      reply: this.#record.reply,
    };
  }

  #submit(job: Job): void {
    const { deps, streams, closing } = this.#context;
    this.#phase = 'submitted';
    try {
      deps.pipeline.submit(job);
    } catch (thrown) {
      job.reply.failed(toHttpError(thrown, deps.log));
    }
    // A failure that is there already, such as a full queue, has been answered with its own status.
    if (this.#events && this.#record !== null && !this.#response.headersSent) streams.open(this.#response, this.#record, 0, closing);
  }

  #answer(result: JobResult): void {
    const { encoder } = this.#context;
    const codec = this.#codec;
    const record = this.#record;
    if (codec === null || record === null) throw new Error('a result came for a request that was not submitted');
    const encoded = encoder.encode(codec, this.#givenId, this.#plan, result.outputs);
    this.#over();
    record.add('result', this.#events ? bytesPayload(encoded.body) : resultPayload(encoder, codec, this.#givenId, encoded));
    if (!this.#events) this.#send(encoded);
  }

  #send(encoded: EncodedResponse): void {
    const encoding = acceptedEncoding(this.#request.headers);
    sendAnswer(this.#response, encoded, headerSafeId(this.#id), encoding, this.#context.closing);
  }

  /** Over before it was a job. */
  #refuse(thrown: unknown, model: ServingModel | null = this.#codec?.model ?? null): void {
    const error = toHttpError(thrown, this.#context.deps.log);
    this.#reader?.abandon();
    this.#stopReading?.();
    this.#over();
    this.#context.deps.observer.refused({ model: model?.key ?? null, error });
    this.#sendError(error);
  }

  #sendError(error: SluiceError): void {
    const { deps, options, closing } = this.#context;
    const id = this.#id === '' ? this.#context.nextId() : headerSafeId(this.#id);
    const { drainBytes, lingerMs } = options;
    refuse(this.#request, this.#response, error, deps.clock, { drainBytes, lingerMs, closing, continued: this.#continued }, { 'X-Request-Id': id });
  }

  #over(): void {
    this.#phase = 'over';
    this.#ticket?.release();
    this.#ticket = null;
    unwatch(this.#request.socket, this);
  }
}
