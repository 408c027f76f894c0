/** A convolution, a ReLU, a mean and a matrix product: small enough for a GPU that is made of software. */
import { model, node, type Constant } from '../support/onnx.ts';
import { noise } from '../support/oip.ts';

/** Shape of one row. */
export const SMALL_CNN_ROW: readonly number[] = [1, 8, 8];
const CHANNELS = 4;
const CLASSES = 5;

/** x [batch, 1, 8, 8] → y [batch, 5], FP32, with weights that depend on nothing. */
export function smallCnn(): Uint8Array {
  return model({
    inputs: [{ name: 'x', datatype: 'FP32', shape: ['batch', ...SMALL_CNN_ROW] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: ['batch', CLASSES] }],
    nodes: [
      node('Conv', ['x', 'kernels'], ['conv'], { kernel_shape: { ints: [3, 3] } }),
      node('Relu', ['conv'], ['relu']),
      node('GlobalAveragePool', ['relu'], ['mean']),
      node('Flatten', ['mean'], ['flat']),
      node('MatMul', ['flat', 'weights'], ['y']),
    ],
    initializers: [weights('kernels', [CHANNELS, 1, 3, 3], 1), weights('weights', [CHANNELS, CLASSES], 2)],
  });
}

function weights(name: string, shape: readonly number[], seed: number): Constant {
  return { name, datatype: 'FP32', shape, data: noise(seed, shape.reduce((product, size) => product * size, 1)) };
}
