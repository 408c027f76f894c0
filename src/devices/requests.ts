/** Questions to a host that it answers later: loads and unloads. */
import type { Clock } from '../contracts/clock.ts';
import type { HostMessage } from './protocol.ts';

export type Answer = Extract<HostMessage, { readonly id: number }>;

interface Pending {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
  readonly cancel: () => void;
}

export class Requests {
  private readonly clock: Clock;
  private readonly pending = new Map<number, Pending>();
  private lastId = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  get size(): number {
    return this.pending.size;
  }

  /** Rejects with the host's own message, with `fail`'s reason, or when `late` was called because timeoutMs had passed and the host ended. */
  ask(send: (id: number) => void, timeoutMs: number, late: () => void): Promise<Answer> {
    const id = (this.lastId += 1);
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject, cancel: this.clock.after(timeoutMs, late) });
      send(id);
    });
  }

  /** False when nobody asked. */
  answer(answer: Answer): boolean {
    const pending = this.take(answer.id);
    if (pending === undefined) return false;
    if (answer.type === 'failed') pending.reject(new Error(answer.message));
    else pending.resolve(answer);
    return true;
  }

  /** The host has ended. */
  fail(reason: string): void {
    for (const id of [...this.pending.keys()]) this.take(id)?.reject(new Error(reason));
  }

  private take(id: number): Pending | undefined {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    pending?.cancel();
    return pending;
  }
}
