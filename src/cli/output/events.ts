/** One line for each event of a request. */
import type { RequestEvent } from '../client.ts';
import { renderMs } from '../table.ts';

/** What an event says, without its type: `on cpu, in a batch of 2, after 1.20 ms in the queue`. */
export function describeEvent({ type, data }: RequestEvent): string {
  switch (type) {
    case 'queued': {
      const eta = data['eta_ms'];
      const start = typeof eta !== 'number' ? '' : eta < 1 ? ', starts at once' : `, starts in about ${renderMs(eta)}`;
      return `${String(data['position'])} ahead, ${String(data['queue_size'])} waiting${start}`;
    }
    case 'started':
      return `on ${String(data['device'])}, in a batch of ${String(data['batch_size'])}, after ${renderMs(Number(data['queue_ms']))} in the queue`;
    case 'error':
      return String(data['error']);
    default:
      return JSON.stringify(data);
  }
}
