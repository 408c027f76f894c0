/** Peer: Fastify with onnxruntime-node called in the handler, as most Node services that serve a model are written. */
import { loadModel } from './model.ts';
import { createServer, listen } from './oip.ts';

await listen(createServer(await loadModel()));
