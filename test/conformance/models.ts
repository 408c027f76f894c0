/** The models that the clients ask for: y = x, once for each datatype, and the bundled text orientation. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DATATYPES, type Datatype } from '../../src/contracts/tensor.ts';
import { makeModelFolder, type ModelFolder } from '../support/model-folder.ts';
import { model, node } from '../support/onnx.ts';

const BUNDLED = fileURLToPath(new URL('../../models/', import.meta.url));

function identity(datatype: Datatype): Uint8Array {
  const shape = ['batch', 'n'];
  return model({
    inputs: [{ name: 'x', datatype, shape }],
    outputs: [{ name: 'y', datatype, shape }],
    nodes: [node('Identity', ['x'], ['y'])],
  });
}

export function makeConformanceModels(): ModelFolder {
  const folder = makeModelFolder();
  for (const datatype of DATATYPES) folder.add(`identity_${datatype.toLowerCase()}`, identity(datatype));
  folder.add('unloadable', identity('FP32'));
  cpSync(join(BUNDLED, 'text-orientation'), join(folder.path, 'text-orientation'), { recursive: true });
  return folder;
}
