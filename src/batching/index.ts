/** The batching stage, as app.ts hands it to the scheduler. */
import type { Batcher } from '../contracts/batching.ts';
import { assemble } from './assemble.ts';
import { elementsPerRow, shapeOf } from './bucket.ts';
import { join } from './join.ts';
import { chooseRows } from './plan.ts';
import { checkResult, scatter } from './scatter.ts';

export const batcher: Batcher = { shapeOf, elementsPerRow, chooseRows, assemble, checkResult, scatter, join };
