/** For those who run the server, and for clients that look around before they start. */
import type { DeviceStatus, GpuInfo } from '../../contracts/device.ts';
import { SluiceError } from '../../errors.ts';
import type { HttpContext } from '../context.ts';
import { openApiDocument } from '../openapi/document.ts';
import { ok, type Route } from './route.ts';

const SHARED_MEMORY = ['system', 'cuda'] as const;

export function operationRoutes(context: HttpContext): readonly Route[] {
  const { deps } = context;
  return [
    { path: '/v2/devices', methods: { GET: () => ok({ discovery: deps.devices.discovery(), devices: deps.devices.devices().map(deviceView) }) } },
    { path: '/openapi.json', methods: { GET: () => ok(openApiDocument(context)) } },
    {
      path: '/metrics',
      methods: {
        GET: async ({ fastifyRequest, reply }) => {
          const { contentType, body } = await deps.metrics(fastifyRequest.headers.accept);
          await reply.header('content-type', contentType).send(Buffer.from(body));
          return null;
        },
      },
    },
    ...SHARED_MEMORY.flatMap(sharedMemoryRoutes),
  ];
}

/** Not offered, and said so; but nothing is registered, which is an answer, and clients unregister everything to begin with. */
function sharedMemoryRoutes(kind: (typeof SHARED_MEMORY)[number]): Route[] {
  const base = `/v2/${kind}sharedmemory`;
  const refuse = (): never => {
    throw new SluiceError('NOT_SUPPORTED', 'shared memory is not offered; send the data in the body');
  };
  return [
    { path: `${base}/status`, methods: { GET: () => ok([]) } },
    { path: `${base}/unregister`, methods: { POST: () => ok({}) } },
    { path: `${base}/region/:region/status`, methods: { GET: refuse } },
    { path: `${base}/region/:region/register`, methods: { POST: refuse } },
    { path: `${base}/region/:region/unregister`, methods: { POST: () => ok({}) } },
  ];
}

function deviceView(device: DeviceStatus): object {
  return {
    id: device.id,
    kind: device.kind,
    provider: device.provider,
    state: device.state,
    slots: device.slots,
    pid: device.pid,
    restarts: device.restarts,
    last_error: device.lastError,
    gpu: device.gpu === null ? null : gpuView(device.gpu),
    fallbacks: device.fallbacks.map(({ model, reason }) => ({ model, reason })),
  };
}

function gpuView(gpu: GpuInfo): object {
  return {
    index: gpu.index,
    name: gpu.name,
    uuid: gpu.uuid,
    memory_total_bytes: gpu.memoryTotalBytes,
    memory_used_bytes: gpu.memoryUsedBytes,
    utilization_percent: gpu.utilizationPercent,
  };
}
