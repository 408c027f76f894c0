/** Requests that run or have run: their events again, and withdrawing one. */
import type { RequestRecord } from '../../contracts/results.ts';
import { SluiceError } from '../../errors.ts';
import type { HttpContext } from '../context.ts';
import { ok, type Route, type RouteRequest } from './route.ts';

export function requestRoutes(context: HttpContext): readonly Route[] {
  const { deps, streams } = context;
  const find = ({ params }: RouteRequest): RequestRecord => {
    const id = params['id'] ?? '';
    const record = deps.results.find(id);
    if (record !== null) return record;
    throw new SluiceError('UNKNOWN_REQUEST', `no request with the id ${JSON.stringify(id)} is running, and none is kept`);
  };
  return [
    {
      path: '/v2/requests/:id/events',
      methods: {
        GET: async (request) => {
          const record = find(request);
          const { fastifyRequest, reply } = request;
          const cursor = lastEventId(fastifyRequest.headers['last-event-id'], record);
          if (record.settled && cursor === record.lastEventId) {
            await reply.code(204).send();
            return null;
          }
          streams.checkRoom();
          reply.hijack();
          streams.open(reply.raw, record, cursor, context.closing);
          return null;
        },
      },
    },
    {
      path: '/v2/requests/:id',
      methods: {
        DELETE: (request) => {
          const record = find(request);
          if (record.settled) return ok({ id: record.id, cancelled: false });
          deps.pipeline.cancel(record.id);
          record.reply.failed(new SluiceError('CANCELLED', 'the request was withdrawn'));
          return ok({ id: record.id, cancelled: true });
        },
      },
    },
  ];
}

/** 0 without the header. Throws BAD_HEADER for what is no id of an event of this request. */
function lastEventId(value: string | string[] | undefined, record: RequestRecord): number {
  if (value === undefined || value === '') return 0;
  const id = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : Infinity;
  if (id <= record.lastEventId) return id;
  throw new SluiceError('BAD_HEADER', `Last-Event-ID: ${JSON.stringify(value)} is not the id of an event of this request, which are 1 to ${record.lastEventId}`);
}
