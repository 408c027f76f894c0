/** Liveness and readiness. KServe's client reads the bodies, Triton's the status. */
import { ok, type Route } from './route.ts';
import type { HttpContext } from '../context.ts';
import { errorBody } from '../error-reply.ts';
import { SluiceError } from '../../errors.ts';

export function healthRoutes({ deps: { health } }: HttpContext): readonly Route[] {
  return [
    { path: '/v2/health/live', methods: { GET: () => ok({ live: true }) } },
    {
      path: '/v2/health/ready',
      methods: {
        GET: () => {
          if (health.ready()) return ok({ ready: true });
          const error = new SluiceError('NOT_READY', health.reason());
          return { status: error.status, value: { ready: false, ...errorBody(error) } };
        },
      },
    },
  ];
}
