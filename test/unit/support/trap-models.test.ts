/** The trap models are only worth something when each does what its name says, on the real runtime. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DATATYPES, type Datatype } from '../../../src/contracts/tensor.ts';
import { HUGE_OUTPUT_ELEMENTS, TRAP_MODELS, identityModel, type TrapName } from '../../support/trap-models.ts';

const require = createRequire(import.meta.url);

type Feeds = Record<string, ort.Tensor>;

const floats = (values: readonly number[], ...shape: number[]): ort.Tensor => new ort.Tensor('float32', Float32Array.from(values), shape);
const ints = (values: readonly number[], ...shape: number[]): ort.Tensor => new ort.Tensor('int64', BigInt64Array.from(values, BigInt), shape);

async function infer(bytes: Uint8Array, feeds: Feeds): Promise<Feeds> {
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

async function values(name: TrapName, feeds: Feeds): Promise<Record<string, { shape: readonly number[]; data: number[] }>> {
  const outputs = await infer(TRAP_MODELS[name].bytes, feeds);
  return Object.fromEntries(Object.entries(outputs).map(([key, tensor]) => [key, { shape: tensor.dims, data: Array.from(tensor.data as Float32Array, Number) }]));
}

const A = [1, -2, 3, -4];
const B = [50, 60, -70, 80];

describe('trap models', () => {
  it('outputAxisOne puts rows along axis 1 of its second output', async () => {
    const together = await values('outputAxisOne', { x: floats([...A, ...B], 2, 4) });
    expect(together['y']).toEqual({ shape: [2, 4], data: [...A, ...B].map((value) => value * 2) });
    expect(together['hidden']).toEqual({ shape: [3, 2, 4], data: [...A, ...B, ...A, ...B, ...A, ...B] });
  });

  it('stateAxisOne takes and gives a state with the batch at axis 1', async () => {
    const alone = await values('stateAxisOne', { input: floats(A, 1, 4), state: floats([...A, ...A], 2, 1, 4), sr: ints([16000]).reshape([]) });
    const together = await values('stateAxisOne', { input: floats([...B, ...A], 2, 4), state: floats([...B, ...A, ...B, ...A], 2, 2, 4), sr: ints([16000]).reshape([]) });
    expect(together['output']?.data.slice(4)).toEqual(alone['output']?.data);
    expect(together['stateN']?.shape).toEqual([2, 2, 4]);
    expect(together['stateN']?.data.slice(4, 8)).toEqual(alone['stateN']?.data.slice(0, 4));
  });

  it.each(['timeCumulative', 'timeMean', 'timeSoftmax', 'dynamicQuantisation'] as const)('%s answers differently with a neighbour', async (name) => {
    const alone = await values(name, { x: floats(B, 1, 4) });
    const together = await values(name, { x: floats([...A.map((value) => value * 100), ...B], 2, 4) });
    expect(together['y']?.data.slice(-4)).not.toEqual(alone['y']?.data);
  });

  it.each(['renamedOutputAxis', 'colonNames', 'dozenOutputs', 'fp64Output'] as const)('%s answers the same with a neighbour', async (name) => {
    const input = name === 'colonNames' ? 'serving_default_x:0' : 'x';
    const alone = await values(name, { [input]: floats(B, 1, 4) });
    const together = await values(name, { [input]: floats([...A, ...B], 2, 4) });
    expect(Object.keys(alone)).toHaveLength(name === 'dozenOutputs' ? 12 : 1);
    for (const [key, output] of Object.entries(together)) expect(output.data.slice(4)).toEqual(alone[key]?.data);
  });

  it('sharedScalar multiplies every row by one scalar', async () => {
    const { y } = await values('sharedScalar', { x: floats([...A, ...B], 2, 4), scale: floats([3]).reshape([]) });
    expect(y?.data).toEqual([...A, ...B].map((value) => value * 3));
  });

  it('lengthsMask treats rows alone, lengthsTrim cuts all to the longest', async () => {
    const alone = { x: floats(A, 1, 4), lengths: ints([2], 1) };
    const together = { x: floats([...A, ...B], 2, 4), lengths: ints([2, 3], 2) };
    expect((await values('lengthsMask', alone))['y']?.data).toEqual([1, -2, 0, -0]);
    expect((await values('lengthsMask', together))['y']?.data.slice(0, 4)).toEqual([1, -2, 0, -0]);
    expect((await values('lengthsTrim', alone))['y']?.shape).toEqual([1, 2]);
    expect((await values('lengthsTrim', together))['y']?.shape).toEqual([2, 3]);
  });

  it('fixedBatchOne refuses two rows', async () => {
    expect((await values('fixedBatchOne', { x: floats(A, 1, 4) }))['y']?.data).toEqual(A.map((value) => -value));
    await expect(values('fixedBatchOne', { x: floats([...A, ...B], 2, 4) })).rejects.toThrow(/invalid dimensions/);
  });

  it('loop gives back its input, whatever the number of rounds', async () => {
    expect((await values('loop', { x: floats([2000, 1], 1, 2) }))['y']?.data).toEqual([2000, 1]);
    expect((await values('loop', { x: floats([-5, 0], 1, 2) }))['y']?.data).toEqual([-5, 0]);
  });

  it('sequenceOutput loads, and its answer is no tensor', async () => {
    await expect(values('sequenceOutput', { x: floats(A, 1, 4) })).rejects.toThrow();
  });

  it('hugeOutput gives 64 MiB a row', async () => {
    const outputs = await infer(TRAP_MODELS.hugeOutput.bytes, { x: floats([7], 1, 1) });
    expect(outputs['y']?.dims).toEqual([1, HUGE_OUTPUT_ELEMENTS]);
  });

  it('dataDependentShape gives as many columns as there are values other than zero', async () => {
    expect((await values('dataDependentShape', { x: floats([0, 5, 0, 6], 1, 4) }))['y']).toEqual({ shape: [2, 2], data: [0, 0, 1, 3] });
  });

  it('random never answers the same twice', async () => {
    const session = await ort.InferenceSession.create(TRAP_MODELS.random.bytes);
    const first = await session.run({ x: floats(A, 1, 4) });
    const second = await session.run({ x: floats(A, 1, 4) });
    expect(first['y']?.data).not.toEqual(second['y']?.data);
  });

  it('embedding refuses an index outside its table', async () => {
    expect((await values('embedding', { ids: ints([0, 7], 1, 2) }))['y']?.shape).toEqual([1, 2, 2]);
    await expect(values('embedding', { ids: ints([8], 1, 1) })).rejects.toThrow(/out of data bounds/);
  });

  it.each(DATATYPES)('identity of %s loads and answers', async (datatype) => {
    const types: Record<Datatype, ort.Tensor.Type> = { BOOL: 'bool', UINT8: 'uint8', UINT16: 'uint16', UINT32: 'uint32', UINT64: 'uint64', INT8: 'int8', INT16: 'int16', INT32: 'int32', INT64: 'int64', FP16: 'float16', FP32: 'float32', FP64: 'float64', BYTES: 'string' };
    const constructors = { bool: Uint8Array, uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, int8: Int8Array, int16: Int16Array, int32: Int32Array, float16: Uint16Array, float32: Float32Array, float64: Float64Array } as const;
    const type = types[datatype];
    const data = type === 'string' ? ['', 'é'] : type === 'int64' ? BigInt64Array.of(-1n, 2n) : type === 'uint64' ? BigUint64Array.of(1n, 2n) : new constructors[type as keyof typeof constructors]([1, 0]);
    const outputs = await infer(identityModel(datatype), { x: new ort.Tensor(type, data, [1, 2]) });
    expect(outputs['y']?.type).toBe(type);
    expect(outputs['y']?.data).toEqual(data);
  });
});

describe('divide, the poison', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-poison-'));
    writeFileSync(join(folder, 'model.onnx'), TRAP_MODELS.divide.bytes);
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  function divideInChild(a: string, b: string): { status: number | null; signal: string | null; stdout: string } {
    const script = `
      const ort = require(${JSON.stringify(require.resolve('onnxruntime-node'))});
      const int64 = (value) => new ort.Tensor('int64', BigInt64Array.of(BigInt(value)), [1, 1]);
      ort.InferenceSession.create(${JSON.stringify(join(folder, 'model.onnx'))})
        .then((session) => session.run({ a: int64(${JSON.stringify(a)}), b: int64(${JSON.stringify(b)}) }))
        .then((outputs) => process.stdout.write(String(outputs.y.data[0])));`;
    return spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  }

  it('divides', () => {
    expect(divideInChild('42', '-7').stdout).toBe('-6');
  });

  it('kills its process with SIGFPE', () => {
    expect(divideInChild('-9223372036854775808', '-1').signal).toBe('SIGFPE');
  });
});
