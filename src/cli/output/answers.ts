/** From output tensors to what they mean. */
import { elementCount } from '../../contracts/tensor.ts';
import type { RemoteModel } from '../client.ts';
import { renderShape } from '../table.ts';
import type { InferResponse, WireOutput } from '../wire.ts';

/** Elements of a tensor that are shown where nothing says what they mean. */
const SHOWN_ELEMENTS = 6;
/** How far from 1 the scores of a row may add up and still be probabilities. */
const PROBABILITY_SLACK = 1e-2;

/** One line for each row of the answer, or for each output where there are no labels: `upright 99.8 %`. */
export function describeAnswer(response: InferResponse, { labels, decode }: Pick<RemoteModel, 'labels' | 'decode'>, top: number): readonly string[] {
  const [output] = response.outputs;
  if (labels === null || output === undefined) return response.outputs.map(describeTensor);
  return decode === 'ctc' ? describeSequences(output, labels) : describeClasses(output, labels, top);
}

/** The best labels of each row, by the scores along the last axis. */
function describeClasses(output: WireOutput, labels: readonly string[], top: number): readonly string[] {
  return rowsOf(output, output.shape.at(-1) ?? 1).map((scores) => {
    const best = scores.map((score, index) => ({ score, index })).sort((a, b) => b.score - a.score).slice(0, top);
    const probabilities = areProbabilities(scores);
    return best.map(({ score, index }) => `${labels[index] ?? `class ${index}`} ${probabilities ? `${(score * 100).toFixed(1)} %` : score.toPrecision(4)}`).join(', ');
  });
}

/**
 * Connectionist temporal classification, the best class at each step: repeats are one character, and class 0, the blank,
 * separates. Behind the labels comes the space.
 */
function describeSequences(output: WireOutput, labels: readonly string[]): readonly string[] {
  const classes = output.shape.at(-1) ?? 1;
  const steps = output.shape.at(-2) ?? 1;
  return rowsOf(output, steps * classes).map((row) => {
    let text = '';
    let sum = 0;
    let characters = 0;
    let previous = 0;
    for (let step = 0; step < steps; step += 1) {
      const best = indexOfLargest(row, step * classes, classes);
      if (best !== 0 && best !== previous) {
        text += labels[best - 1] ?? ' ';
        sum += row[step * classes + best] ?? 0;
        characters += 1;
      }
      previous = best;
    }
    return characters === 0 ? '(no text)' : `${JSON.stringify(text)} ${((sum / characters) * 100).toFixed(1)} %`;
  });
}

function describeTensor({ name, datatype, shape, data }: WireOutput): string {
  const shown = data.slice(0, SHOWN_ELEMENTS).map((value) => (typeof value === 'number' ? String(Number(value.toPrecision(5))) : JSON.stringify(value)));
  return `${name} ${datatype} ${renderShape(shape)}: ${shown.join(', ')}${data.length > SHOWN_ELEMENTS ? ', …' : ''}`;
}

function rowsOf({ data, shape }: WireOutput, size: number): readonly (readonly number[])[] {
  const rows = size === 0 ? 0 : (elementCount(shape) ?? 0) / size;
  return Array.from({ length: rows }, (_, row) => data.slice(row * size, (row + 1) * size).map(Number));
}

function areProbabilities(scores: readonly number[]): boolean {
  const sum = scores.reduce((total, score) => total + score, 0);
  return scores.every((score) => score >= 0 && score <= 1) && Math.abs(sum - 1) < PROBABILITY_SLACK;
}

function indexOfLargest(values: readonly number[], from: number, count: number): number {
  let best = 0;
  for (let index = 1; index < count; index += 1) {
    if ((values[from + index] ?? -Infinity) > (values[from + best] ?? -Infinity)) best = index;
  }
  return best;
}
