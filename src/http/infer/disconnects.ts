/**
 * Tells running exchanges when their client has gone. One listener per connection, not per request: a response that waits
 * behind another one on a pipelined connection gets no 'close' event of its own from Node.
 */
import type { Socket } from 'node:net';

export interface Disconnectable {
  disconnected(): void;
}

const running = new WeakMap<Socket, Set<Disconnectable>>();

/** `exchange` is told when `socket` closes, until unwatch(). */
export function watch(socket: Socket, exchange: Disconnectable): void {
  const known = running.get(socket);
  if (known !== undefined) {
    known.add(exchange);
    return;
  }
  const exchanges = new Set([exchange]);
  running.set(socket, exchanges);
  socket.once('close', () => {
    for (const each of [...exchanges]) each.disconnected();
    exchanges.clear();
  });
}

export function unwatch(socket: Socket, exchange: Disconnectable): void {
  running.get(socket)?.delete(exchange);
}
