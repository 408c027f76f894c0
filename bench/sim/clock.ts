/** Simulated time: events in order of time, then of creation. */
import type { Clock } from '../../src/contracts/clock.ts';

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

export class SimClock implements Clock {
  #nowMs = 0;
  #order = 0;
  /** A binary heap. */
  readonly #events: Event[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const event: Event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run: callback, cancelled: false };
    this.#push(event);
    return () => {
      event.cancelled = true;
    };
  }

  at(atMs: number, callback: () => void): void {
    this.after(atMs - this.#nowMs, callback);
  }

  /** Runs events until none is left, or the next is after `untilMs`. */
  run(untilMs: number): void {
    for (let event = this.#events[0]; event !== undefined && event.atMs <= untilMs; event = this.#events[0]) {
      this.#pop();
      if (event.cancelled) continue;
      this.#nowMs = event.atMs;
      event.run();
    }
  }

  #push(event: Event): void {
    const events = this.#events;
    let index = events.length;
    events.push(event);
    while (index > 0) {
      const above = (index - 1) >> 1;
      if (!before(event, events[above]!)) break;
      events[index] = events[above]!;
      index = above;
    }
    events[index] = event;
  }

  #pop(): void {
    const events = this.#events;
    const last = events.pop()!;
    if (events.length === 0) return;
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= events.length) break;
      if (below + 1 < events.length && before(events[below + 1]!, events[below]!)) below += 1;
      if (!before(events[below]!, last)) break;
      events[index] = events[below]!;
      index = below;
    }
    events[index] = last;
  }
}

function before(a: Event, b: Event): boolean {
  return a.atMs !== b.atMs ? a.atMs < b.atMs : a.order < b.order;
}
