/** The example pictures, prepared as `sluice infer` prepares them, on the bundled models. */
import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { imageTensor } from '../../../src/cli/input/image-tensor.ts';
import { decodePicture } from '../../../src/cli/input/picture.ts';
import { describeAnswer } from '../../../src/cli/output/answers.ts';
import { parseModelJson } from '../../../src/repository/model-json.ts';
import { fetchSource, readLines } from '../../../src/repository/sources.ts';
import { systemClock } from '../../../src/contracts/clock.ts';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

async function answer(model: string, picture: string): Promise<string> {
  const folder = `${ROOT}models/${model}`;
  const { image, source, labels, decode } = parseModelJson(readFileSync(`${folder}/model.json`, 'utf8'), model);
  if (image === null || source === null || labels === null) throw new Error(`${model} lacks an image, a source or labels`);
  const path = await fetchSource({ source, sha256: null, folder, signal: new AbortController().signal, onProgress: () => undefined }, { cacheDir: '', hubUrl: '', proxyUrl: null, clock: systemClock });
  const session = await ort.InferenceSession.create(path, { intraOpNumThreads: 1 });
  const { shape, values } = imageTensor(decodePicture(readFileSync(`${ROOT}examples/${picture}`)), image);
  const outputs = await session.run({ [image.input]: new ort.Tensor('float32', values, [1, ...shape]) });
  await session.release();
  const response = { model_name: model, outputs: Object.entries(outputs).map(([name, tensor]) => ({ name, datatype: 'FP32' as const, shape: tensor.dims, data: Array.from(tensor.data as Float32Array) })) };
  const names = 'kind' in labels ? await readLines(labels, folder) : labels;
  return describeAnswer(response, { labels: names, decode }, 1).join();
}

describe('example pictures', () => {
  it.each([['upright.png', 'upright'], ['upside-down.png', 'upside down']])('%s is found to be %s, beyond doubt', async (picture, label) => {
    const [, found, percent] = /^(.*) ([\d.]+) %$/.exec(await answer('text-orientation', picture)) ?? [];
    expect(found).toBe(label);
    expect(Number(percent)).toBeGreaterThan(99);
  });

  it('upright.png is read', async () => {
    expect(await answer('text-recognition', 'upright.png')).toMatch(/^"Open the gate" 9\d\.\d %$/);
  });
});
