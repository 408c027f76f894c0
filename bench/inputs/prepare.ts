/**
 * Process: draws the inputs and asks plain onnxruntime-node, one row at a time, what each answer must be. It runs on
 * its own so that neither the generator nor a server under test ever loads onnxruntime on its behalf.
 * Arguments: one JSON object, {@link PrepareOptions}.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { MODEL_FILE } from '../paths.ts';
import { INPUT_NAME, OUTPUT_NAME, ROW_SHAPE } from '../wire.ts';
import { writeDataset } from './dataset.ts';
import { drawImages, IMAGE_VALUES } from './images.ts';

export interface PrepareOptions {
  readonly folder: string;
  readonly count: number;
  readonly seed: number;
}

const { folder, count, seed } = JSON.parse(process.argv[2] ?? '{}') as PrepareOptions;
const session = await InferenceSession.create(MODEL_FILE, { intraOpNumThreads: 1 });
const rows = drawImages(count, seed);
const expected: number[][] = [];
for (let index = 0; index < count; index += 1) {
  const row = rows.subarray(index * IMAGE_VALUES, (index + 1) * IMAGE_VALUES);
  const outputs = await session.run({ [INPUT_NAME]: new Tensor('float32', row, ROW_SHAPE) });
  expected.push(Array.from((outputs[OUTPUT_NAME]!).data as Float32Array));
}
writeDataset(folder, rows, expected);

const upright = expected.filter(([probability = 0]) => probability > 0.5).length;
process.stdout.write(`${JSON.stringify({ count, upright })}\n`);
