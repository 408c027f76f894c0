/** Peer: Fastify in front of a Piscina pool of 2 threads, one request a task. The tensor is moved, not copied. */
import { Piscina } from 'piscina';
import { compiled } from '../paths.ts';
import { createServer, listen } from './oip.ts';
import type { InferInput, InferOutput } from './oip.ts';

const THREADS = 2;

const pool = new Piscina<InferInput, InferOutput>({
  filename: compiled('./peers/piscina-task.js'),
  minThreads: THREADS,
  maxThreads: THREADS,
});

await listen(createServer((input) => pool.run(input, { transferList: [input.values.buffer] })));
