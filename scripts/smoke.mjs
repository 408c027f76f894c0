// Starts the built server with the Node that runs this script, sends one request, checks the answer, and stops it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const START_TIMEOUT_MS = 60_000;
const VALUES = [1.5, -2, 0.25, 3];

const server = spawn(process.execPath, ['dist/cli/main.js', 'serve'], {
  cwd: fileURLToPath(new URL('..', import.meta.url)),
  env: { ...process.env, PORT: '0', GPU_COUNT: '0', LOG_FORMAT: 'json' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const exited = once(server, 'exit');
try {
  const url = await Promise.race([listening(), exited.then(([code]) => fail(`the server ended with ${code}`))]);
  server.stdout.resume(); // A full pipe would stop the server.
  await ready(url);
  const { inputs } = await get(`${url}/v2/models/identity`);
  const response = await fetch(`${url}/v2/models/identity/infer`, {
    method: 'POST',
    body: JSON.stringify({ id: 'smoke', inputs: [{ name: inputs[0].name, shape: [1, VALUES.length], datatype: 'FP32', data: VALUES }] }),
  });
  const answer = await response.json();
  if (response.status !== 200 || JSON.stringify(answer.outputs?.[0]?.data) !== JSON.stringify(VALUES)) fail(`wrong answer: ${JSON.stringify(answer)}`);
} catch (error) {
  server.kill('SIGKILL');
  throw error;
}
server.kill('SIGTERM');
const [code] = await exited;
if (code !== 0) fail(`SIGTERM ended the server with ${code}, not 0`);
console.log(`Node ${process.version} (${process.release.lts ?? 'no LTS'}): one request answered, stopped cleanly`);

async function listening() {
  for await (const line of createInterface({ input: server.stdout })) {
    const log = parse(line);
    if (log.msg === 'listening') return log.url;
  }
  return await new Promise(() => {}); // The exit says why.
}

async function ready(url) {
  const endMs = performance.now() + START_TIMEOUT_MS;
  while ((await fetch(`${url}/v2/health/ready`)).status !== 200) {
    if (performance.now() > endMs) fail(`not ready within ${START_TIMEOUT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function get(url) {
  return await (await fetch(url)).json();
}

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}

function fail(message) {
  throw new Error(message);
}
