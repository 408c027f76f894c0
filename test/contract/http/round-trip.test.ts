/** Every datatype × JSON, binary, mixed × any split of the body: what goes in comes out, bit for bit. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import '../../support/fast-check.ts';
import { DATATYPES, elementCount, type Datatype } from '../../../src/contracts/tensor.ts';
import { BodyReader, type InferRequest } from '../../../src/http/codec/body-reader.ts';
import { EnvelopeCache } from '../../../src/http/codec/envelope-cache.ts';
import { ModelCodec } from '../../../src/http/codec/model-codec.ts';
import { planOutputs, readParameters } from '../../../src/http/codec/parameters.ts';
import { ResponseEncoder } from '../../../src/http/codec/response-encoder.ts';
import { loadNative, type NativeChoice } from '../../../src/native/load.ts';
import { HeapArena } from '../../support/heap-arena.ts';
import { identityModel } from '../../support/http-front.ts';
import { clientRequest, readAnswer, tensorBytes, type ClientTensor, type Value } from '../../support/oip-codec.ts';

const LIMITS = { maxBodyBytes: 1 << 24, maxJsonDepth: 100, maxEnvelopeBytes: 1 << 20, maxTensors: 16 };

const VALUES: Readonly<Record<Datatype, fc.Arbitrary<Value>>> = {
  BOOL: fc.boolean(),
  UINT8: fc.integer({ min: 0, max: 255 }),
  UINT16: fc.integer({ min: 0, max: 65_535 }),
  UINT32: fc.integer({ min: 0, max: 4_294_967_295 }),
  UINT64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  INT8: fc.integer({ min: -128, max: 127 }),
  INT16: fc.integer({ min: -32_768, max: 32_767 }),
  INT32: fc.integer({ min: -2_147_483_648, max: 2_147_483_647 }),
  INT64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  FP16: fc.constantFrom(-1, 0, 1),
  FP32: fc.float({ noNaN: true, noDefaultInfinity: true }),
  FP64: fc.double({ noNaN: true, noDefaultInfinity: true }),
  BYTES: fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0') && Buffer.from(text).toString() === text),
};

interface Case {
  readonly tensors: readonly ClientTensor[];
  readonly binary: readonly boolean[];
  readonly cuts: readonly number[];
  readonly answerBinary: readonly boolean[];
}

const shape = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 });
const tensor = fc.tuple(fc.constantFrom(...DATATYPES), shape).chain(([datatype, dims]) =>
  fc.array(VALUES[datatype], { minLength: elementCount(dims) ?? 0, maxLength: elementCount(dims) ?? 0 }).map((values) => ({ datatype, shape: dims, values })));
const cases: fc.Arbitrary<Case> = fc.array(tensor, { minLength: 1, maxLength: 4 }).chain((tensors) => fc.record({
  tensors: fc.constant(tensors.map((each, index) => ({ ...each, name: `in"${String(index)}é` }))),
  binary: fc.array(fc.boolean(), { minLength: tensors.length, maxLength: tensors.length }),
  answerBinary: fc.array(fc.boolean(), { minLength: tensors.length, maxLength: tensors.length }),
  cuts: fc.array(fc.nat(3000), { maxLength: 8 }),
}));

/** `body` cut at the given places, wherever they fall. */
function split(body: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (body.length + 1)))].sort((one, other) => one - other);
  return [0, ...places].map((from, index) => body.subarray(from, places[index] ?? body.length));
}

function read(reader: BodyReader, chunks: readonly Buffer[]): InferRequest {
  for (const chunk of chunks) reader.write(chunk);
  return reader.end();
}

describe.each(['addon', 'fallback'] as const satisfies readonly NativeChoice[])('round trip through the codec on the %s', (choice) => {
  const { module: native } = loadNative(choice === 'addon' ? 'auto' : choice);

  test('what goes in comes out', () => {
    fc.assert(fc.property(cases, ({ tensors, binary, cuts, answerBinary }) => {
      const arena = new HeapArena();
      const model = identityModel('m"é', tensors.map(({ name, datatype, shape: dims }) => ({ name, datatype, shape: dims.map(() => -1) })), { batchable: false });
      const codec = new ModelCodec(model);
      const outputs = model.outputs.map(({ name }, index) => ({ name, parameters: { binary_data: answerBinary[index] === true } }));
      const { headers, body } = clientRequest(tensors, (each) => binary[tensors.indexOf(each)] === true, { id: 'né', outputs });
      const jsonBytes = headers['inference-header-content-length'];
      const reader = new BodyReader(codec, { jsonBytes: jsonBytes === undefined ? null : Number(jsonBytes), length: body.length }, { arena, native, limits: LIMITS, envelopes: new EnvelopeCache() }, () => 0);

      const request = read(reader, split(body, cuts));
      request.inputs.forEach((input, index) => {
        expect(Buffer.from(arena.memory.view(input.region)).equals(tensorBytes(tensors[index]!))).toBe(true);
      });

      const results = request.inputs.map((input, index) => ({ name: model.outputs[index]!.name, datatype: input.datatype, shape: input.shape, data: arena.memory.view(input.region) }));
      const plan = planOutputs(codec, request.envelope.outputs, readParameters(request.envelope.parameters).binaryOutputs);
      const encoded = new ResponseEncoder(native.printer).encode(codec, request.envelope.id ?? null, plan, results);
      for (const lease of request.leases) lease.release();
      expect(arena.usage().leases).toBe(0);

      const { json, blobs } = readAnswer(encoded.body, encoded.jsonBytes ?? undefined);
      expect(json).toMatchObject({ id: 'né', model_name: 'm"é', model_version: '1' });
      tensors.forEach((sent, index) => {
        const output = json.outputs[index]!;
        expect(output).toMatchObject({ name: `${sent.name}_out`, datatype: sent.datatype, shape: sent.shape });
        if (answerBinary[index] === true) expect(blobs.get(output.name)?.equals(tensorBytes(sent))).toBe(true);
        else expect(asBytes(sent.datatype, encoded.body, output.data ?? [])).toEqual(tensorBytes(sent));
      });
    }), { numRuns: 300 });
  });
});

/** Bytes of printed values; 64-bit integers are read from the text, which JSON.parse rounds. */
function asBytes(datatype: Datatype, body: Buffer, data: readonly unknown[]): Buffer {
  if (datatype !== 'INT64' && datatype !== 'UINT64') return tensorBytes({ datatype, values: data as Value[] });
  const texts = [...body.toString('latin1').matchAll(/"data":\[([-\d,]*)\]/g)].map(([, list]) => list!.split(','));
  const exact = texts.find((list) => list.length === data.length && list.every((text, index) => Number(text) === data[index])) ?? [];
  return tensorBytes({ datatype, values: exact.map(BigInt) });
}
