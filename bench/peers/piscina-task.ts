/** Thread of the Piscina peer: a session of its own, 1 intra-op thread. */
import { loadModel } from './model.ts';

export default await loadModel();
