import { EventEmitter } from 'node:events';
import type { Client } from 'autocannon';
import { describe, expect, test } from 'vitest';
import { drawImages, IMAGE_BYTES, IMAGE_VALUES } from '../../../bench/inputs/images.ts';
import { AnswerCheck } from '../../../bench/load/answer-check.ts';
import { binaryBody, compareAnswer, jsonBody, OUTPUT_NAME, readAnswer, requestHeaders } from '../../../bench/wire.ts';
import { answersOnly } from './run-fixture.ts';

const ROW = drawImages(1, 5);

describe('requests', () => {
  test('the binary body is the announced JSON, then the row byte for byte', () => {
    const headerLength = Number(requestHeaders('binary')['Inference-Header-Content-Length']);
    const body = binaryBody(ROW);
    const header = JSON.parse(body.toString('utf8', 0, headerLength)) as { inputs: { parameters: object }[] };
    expect(header.inputs[0]?.parameters).toEqual({ binary_data_size: IMAGE_BYTES });
    expect(body.subarray(headerLength)).toEqual(Buffer.from(ROW.buffer));
  });
  test('the JSON body gives the same floats back', () => {
    const parsed = JSON.parse(jsonBody(ROW).toString()) as { inputs: { data: number[] }[] };
    expect(Float32Array.from(parsed.inputs[0]?.data ?? [])).toEqual(ROW);
  });
});

describe('answers', () => {
  test('are read from behind the JSON header, wherever that leaves the floats', () => {
    for (const header of ['{}', '{ }', '{  }', '{   }']) {
      const body = Buffer.concat([Buffer.from(header), Buffer.from(Float32Array.of(0.25, 0.75).buffer)]);
      expect(readAnswer(header.length, body)).toEqual([0.25, 0.75]);
    }
  });
  test('are read from JSON, flat or nested', () => {
    const json = (data: unknown): Buffer => Buffer.from(JSON.stringify({ outputs: [{ name: OUTPUT_NAME, data }] }));
    expect(readAnswer(undefined, json([0.5, 0.5]))).toEqual([0.5, 0.5]);
    expect(readAnswer(undefined, json([[0.5, 0.5]]))).toEqual([0.5, 0.5]);
  });
  test.each([[undefined, '{"outputs":[]}'], [undefined, '{}'], [2, '{}1234'], [4, '{}']])('are refused when malformed: %s %s', (length, text) => {
    expect(() => readAnswer(length, Buffer.from(text))).toThrow();
  });
  test('are compared within a thousandth', () => {
    expect(compareAnswer([0.2504, 0.7496], [0.25, 0.75])).toBeNull();
    expect(compareAnswer([0.252, 0.748], [0.25, 0.75])).toMatch(/expected \[0.25, 0.75\], got \[0.252, 0.748\]/);
    expect(compareAnswer([0.25], [0.25, 0.75])).not.toBeNull();
    expect(compareAnswer([NaN, 0.75], [0.25, 0.75])).not.toBeNull();
  });
});

describe('AnswerCheck', () => {
  const expected = [[0.25, 0.75], [0.9, 0.1]];
  const dataset = answersOnly(expected);
  const answer = Buffer.concat([Buffer.from('{}'), Buffer.from(Float32Array.of(0.25, 0.75).buffer)]);

  /** Emits what autocannon emits for one answer to input `index`. */
  function receive(check: AnswerCheck, index: number, chunks: readonly Buffer[], status = 200): void {
    const client = new EventEmitter();
    check.watch(client as unknown as Client);
    client.emit('headers', { headers: ['Inference-Header-Content-Length', '2'] });
    for (const chunk of chunks) client.emit('body', chunk);
    check.marker(index)();
    client.emit('response', status, 0, 1);
  }

  test('finds nothing wrong with the right answer, in one chunk or many', () => {
    const check = new AnswerCheck(dataset);
    receive(check, 0, [answer]);
    receive(check, 0, [answer.subarray(0, 5), answer.subarray(5)]);
    expect(check.problems).toEqual([]);
  });
  test('finds the right answer to another request', () => {
    const check = new AnswerCheck(dataset);
    receive(check, 1, [answer]);
    expect(check.problems).toEqual([expect.stringMatching(/^input 1: expected \[0.9, 0.1\], got \[0.25, 0.75\]/)]);
  });
  test('finds an answer that it cannot read', () => {
    const check = new AnswerCheck(dataset);
    receive(check, 0, [answer.subarray(0, 5)]);
    expect(check.problems).toHaveLength(1);
  });
  test('leaves refusals to the count of statuses', () => {
    const check = new AnswerCheck(dataset);
    receive(check, 0, [Buffer.from('{"error":"busy"}')], 503);
    expect(check.problems).toEqual([]);
  });
});

test('images are the same for a seed, differ from each other, and lie in [-1, 1]', () => {
  const images = drawImages(4, 9);
  expect(images).toEqual(drawImages(4, 9));
  const rows = [0, 1, 2, 3].map((index) => images.subarray(index * IMAGE_VALUES, (index + 1) * IMAGE_VALUES).join());
  expect(new Set(rows).size).toBe(4);
  expect(images.every((value) => value >= -1 && value <= 1)).toBe(true);
});
