/** The command line against a server that speaks the protocol and remembers what came. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../../../src/cli/program.ts';

interface Received {
  readonly path: string;
  readonly accept: string | undefined;
  readonly json: { inputs: { name: string; shape: number[]; datatype: string; data?: unknown; parameters?: unknown }[] };
  readonly text: string;
  readonly binary: Buffer;
}

let folder = '';
let server: Server;
let url = '';
let received: Received[];
let out: string;
let err: string;
let metadata: object;
let config: object;
let reply: (request: Received) => { status: number; body: string };

const answerOf = (outputs: object[]): string => JSON.stringify({ model_name: 'm', model_version: '1', outputs });
const scores = { name: 'y', datatype: 'FP32', shape: [1, 2], data: [0.002, 0.998] };
const tensor = (name: string, datatype: string, shape: number[]): object => ({ name, datatype, shape });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
  received = [];
  out = '';
  err = '';
  metadata = { name: 'm', inputs: [tensor('x', 'FP32', [-1, 2])], outputs: [tensor('y', 'FP32', [-1, 2])] };
  config = { name: 'm', parameters: { labels: { string_value: '["no","yes"]' } } };
  reply = () => ({ status: 200, body: answerOf([scores]) });
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = request.url ?? '';
      if (request.method === 'GET') {
        response.end(JSON.stringify(path.endsWith('/config') ? config : metadata));
        return;
      }
      const body = Buffer.concat(chunks);
      const length = Number(request.headers['inference-header-content-length'] ?? body.length);
      const text = body.toString('utf8', 0, length);
      const one: Received = { path, accept: request.headers.accept, text, json: JSON.parse(text) as Received['json'], binary: body.subarray(length) };
      received.push(one);
      const { status, body: answer } = reply(one);
      response.writeHead(status, status === 200 && one.accept === 'text/event-stream' ? { 'content-type': 'text/event-stream' } : {}).end(answer);
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
  rmSync(folder, { recursive: true });
});

function sluice(...args: string[]): Promise<number> {
  return runCli(args, { out: (text) => (out += text), err: (text) => (err += text), interactive: false });
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function npy(values: Float32Array, shape: string): Uint8Array {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117) + '\n';
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Buffer.from([header.length, 0]), Buffer.from(header), new Uint8Array(values.buffer)]);
}

describe('sluice infer', () => {
  it('sends nested JSON as one row, and prints the label', async () => {
    const path = file('a.json', '[1.5, 2]');
    expect(await sluice('infer', 'm', path, '--url', url)).toBe(0);
    expect(received[0]?.json).toEqual({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1.5, 2] }] });
    const lines = out.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^file +answer +time$/);
    expect(lines[1]).toMatch(/a\.json +yes 99\.8 % +[\d.]+ ms$/);
  });

  it('sends .npy as bytes', async () => {
    await sluice('infer', 'm', file('a.npy', npy(Float32Array.of(1, 2, 3, 4), '(2, 2)')), '--url', url);
    expect(received[0]?.json).toEqual({ inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 2], parameters: { binary_data_size: 16 } }] });
    expect(received[0]?.binary.equals(Buffer.from(Float32Array.of(1, 2, 3, 4).buffer))).toBe(true);
  });

  it('sends whole requests byte for byte: big integers stay exact', async () => {
    const text = '{"inputs":[{"name":"x","shape":[1],"datatype":"INT64","data":[9007199254740993]}]}';
    await sluice('infer', 'm', file('a.json', text), '--url', url);
    expect(received[0]?.text).toBe(text);
    metadata = { name: 'm', inputs: [tensor('x', 'INT64', [-1])], outputs: [] };
    await sluice('infer', 'm', file('b.json', '[9007199254740993]'), '--url', url);
    expect(received[1]?.text).toContain('"data":[9007199254740993]');
  });

  it('makes a tensor of a picture where the model describes one', async () => {
    const png = new PNG({ width: 1, height: 1 });
    png.data = Buffer.from([255, 0, 0, 255]);
    const path = file('a.png', PNG.sync.write(png));
    metadata = { name: 'm', inputs: [tensor('x', 'FP32', [-1, 3, 1, 1])], outputs: [] };
    expect(await sluice('infer', 'm', path, '--url', url)).toBe(1);
    expect(err).toMatch(/a\.png: m doesn't describe an image input in its model\.json/);
    config = { parameters: { image: { string_value: '{"input":"x","width":1,"height":1}' } } };
    expect(await sluice('infer', 'm', path, '--url', url)).toBe(0);
    expect(received[0]?.json.inputs[0]?.shape).toEqual([1, 3, 1, 1]);
    expect([...new Float32Array(Uint8Array.from(received[0]?.binary ?? []).buffer)]).toEqual([1, 0, 0]);
  });

  it('puts several inputs into one request, by name', async () => {
    metadata = { name: 'm', inputs: [tensor('input:0', 'FP32', [-1, 2]), tensor('sr', 'INT64', [])], outputs: [] };
    const audio = file('a=b.npy', npy(Float32Array.of(1, 2), '(1, 2)'));
    expect(await sluice('infer', 'm', `input:0=${audio}`, `sr=${file('sr.json', '16000')}`, '--url', url)).toBe(0);
    expect(received[0]?.json.inputs.map(({ name, shape }) => [name, shape])).toEqual([['input:0', [1, 2]], ['sr', []]]);
    expect(await sluice('infer', 'm', audio, '--url', url)).toBe(1);
    expect(err).toContain('m has 2 inputs: name them, input:0=FILE sr=FILE');
    expect(await sluice('infer', 'm', `input:0=${audio}`, 'sr.json', '--url', url)).toBe(2);
  });

  it('sends every file as a request of its own and prints in order, failures included', async () => {
    reply = ({ json }) => ((json.inputs[0]?.data as number[])[0] === 2 ? { status: 422, body: '{"error":"the model did not like it"}' } : { status: 200, body: answerOf([scores]) });
    expect(await sluice('infer', 'm', file('a.json', '[1,1]'), file('b.json', '[2,2]'), file('c.json', '[3,3]'), '--url', url)).toBe(1);
    expect(out.trimEnd().split('\n').slice(1).map((line) => line.replace(/ +[\d.]+ ms$/, '').replace(/^.*\//, ''))).toEqual(['a.json  yes 99.8 %', 'b.json  error: the model did not like it', 'c.json  yes 99.8 %']);
    expect(err).toBe(`sluice: ${folder}/b.json: the model did not like it\n`);
  });

  it('prints events as they stream in', async () => {
    const frame = (id: number, event: string, data: object | string): string => `id: ${id}\nevent: ${event}\ndata: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
    reply = () => ({ status: 200, body: `: heartbeat\n\n${frame(1, 'queued', { request_id: 'r', position: 0, queue_size: 2, eta_ms: 3.25 })}${frame(2, 'started', { request_id: 'r', device: 'cpu', batch_size: 2, queue_ms: 1.2 })}${frame(3, 'result', answerOf([scores]))}` });
    expect(await sluice('infer', 'm', file('a.json', '[1,1]'), '--stream', '--url', url)).toBe(0);
    expect(received[0]?.accept).toBe('text/event-stream');
    expect(out.split('\n').map((line) => line.replace(folder, ''))).toEqual([
      '/a.json  queued   0 ahead, 2 waiting, starts in about 3.25 ms', '/a.json  started  on cpu, in a batch of 2, after 1.20 ms in the queue', '/a.json  result   yes 99.8 %', '',
    ]);
  });

  it('fails with the event that says why', async () => {
    reply = () => ({ status: 200, body: 'id: 1\nevent: error\ndata: {"error":"the deadline passed","status":504}\n\n' });
    expect(await sluice('infer', 'm', file('a.json', '[1,1]'), '--stream', '--url', url)).toBe(1);
    expect(err).toContain('a.json: the deadline passed');
    reply = () => ({ status: 200, body: '' });
    expect(await sluice('infer', 'm', file('a.json', '[1,1]'), '--stream', '--url', url)).toBe(1);
    expect(err).toContain('the events ended before the result');
  });

  it('prints tensors without labels, answers as JSON, and as many labels as asked for', async () => {
    config = {};
    const path = file('a.json', '[1,1]');
    await sluice('infer', 'm', path, '--url', url);
    expect(out).toContain('y FP32 [1, 2]: 0.002, 0.998');
    out = '';
    await sluice('infer', 'm', path, '--url', url, '--json');
    expect(JSON.parse(out)).toMatchObject({ file: path, model_name: 'm', outputs: [scores] });
    out = '';
    config = { parameters: { labels: { string_value: '["no","yes"]' } } };
    await sluice('infer', 'm', path, '--url', url, '--top', '2');
    expect(out).toContain('yes 99.8 %, no 0.2 %');
  });

  it('reads characters: repeats are one, blanks separate, the last class is a space', async () => {
    config = { parameters: { labels: { string_value: '["a","b"]' }, decode: { string_value: '"ctc"' } } };
    const step = (index: number): number[] => [0, 1, 2, 3].map((each) => (each === index ? 0.9 : 0));
    const data = [1, 1, 0, 1, 3, 2, 0].flatMap(step);
    reply = () => ({ status: 200, body: answerOf([{ name: 'y', datatype: 'FP32', shape: [1, 7, 4], data }]) });
    await sluice('infer', 'm', file('a.json', '[1,1]'), '--url', url);
    expect(out).toContain('"aa b" 90.0 %');
  });

  it('asks for a version', async () => {
    await sluice('infer', 'm', file('a.json', '[1,1]'), '--url', `${url}/`, '--model-version', '3');
    expect(received[0]?.path).toBe('/v2/models/m/versions/3/infer');
  });

  it.each([
    ['[[1,2],[3]]', 'not all of one length'],
    ['[[1],[2,3]]', 'not all of one length'],
    ['[1,[2]]', 'not all of one depth'],
    ['[1,2', 'neither JSON, nor a .npy file, nor a PNG or JPEG picture'],
    ['[[[1,2]]]', "the file's shape is [1, 1, 2], but input x takes [?, 2]"],
  ])('refuses %s', async (content, message) => {
    expect(await sluice('infer', 'm', file('a.json', content), '--url', url)).toBe(1);
    expect(err).toContain('a.json: ');
    expect(err).toContain(message);
    expect(received).toEqual([]);
  });

  it('says in one line what is wrong with the world', async () => {
    expect(await sluice('infer', 'm', join(folder, 'nothing.json'), '--url', url)).toBe(1);
    expect(err).toBe(`sluice: ${folder}/nothing.json: there is no such file\n`);
    err = '';
    expect(await sluice('infer', 'm', file('a.json', '[1,1]'), '--url', 'http://127.0.0.1:1')).toBe(1);
    expect(err).toMatch(/^sluice: no answer from http:\/\/127\.0\.0\.1:1 \(.+\): is the server running\? Start it with: sluice serve\n$/);
    err = '';
    metadata = { something: 'else' };
    expect(await sluice('infer', 'm', file('a.json', '[1,1]'), '--url', url)).toBe(1);
    expect(err).toBe("sluice: the server's answer is not Open Inference Protocol: a list was expected, not null\n");
  });
});

describe('sluice', () => {
  it.each([[], ['serve'], ['devices'], ['inspect'], ['infer']])('%s --help shows examples and ends with 0', async (...command: string[]) => {
    expect(await sluice(...command, '--help')).toBe(0);
    expect(out).toContain('Examples:\n  ');
    expect(err).toBe('');
  });

  it.each([[['nonsense']], [['infer', 'm']], [['infer', 'm', 'f', '--top', '0']], [['infer', 'm', 'f', '--url', 'nowhere']], [['inspect', 'f', '--shape', 'x']], [['serve', '--port', '1']], [[]]])('%j is a usage error: 2', async (args) => {
    expect(await sluice(...args)).toBe(2);
    expect(err).not.toBe('');
    expect(err).not.toMatch(/ {4}at /);
  });

  it('shows stacks only when asked to', async () => {
    expect(await sluice('--debug', 'infer', 'm', 'f', '--url', 'http://127.0.0.1:1')).toBe(1);
    expect(err).toMatch(/ {4}at [\s\S]*caused by /);
  });

  it('prints its version', async () => {
    expect(await sluice('--version')).toBe(0);
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('shows devices, as a table and as JSON', async () => {
    expect(await sluice('devices')).toBe(0);
    expect(out).toMatch(/^device +provider +slots/);
    out = '';
    expect(await sluice('devices', '--json')).toBe(0);
    const { devices } = JSON.parse(out) as { devices: { id: string }[] };
    expect(devices.map(({ id }) => id)).toContain('cpu');
  });

  it('lists its settings', async () => {
    expect(await sluice('serve', '--settings')).toBe(0);
    expect(out).toMatch(/^MODELS_DIR /m);
  });
});
