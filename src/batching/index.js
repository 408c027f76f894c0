import { assemble } from "./assemble.js";
import { elementsPerRow, shapeOf } from "./bucket.js";
import { join } from "./join.js";
import { chooseRows } from "./plan.js";
import { checkResult, scatter } from "./scatter.js";
export const batcher = { shapeOf, elementsPerRow, chooseRows, assemble, checkResult, scatter, join };
