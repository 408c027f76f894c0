/**
 * Times of waiting entries (their deadline, their coming of age) in timing wheels: adding and removing take constant time however
 * many wait. An entry is due once its whole tick has passed, so it is told up to one tick late; taking rows checks the exact time.
 */
import type { Entry, TimingWheel, WheelNode } from './state.ts';

/** 16,384 ticks of 5 ms are 82 s: deadlines beyond that are looked at once a turn. */
const TICKS = 16_384;

/** `nowMs`: ticks before it count as passed. */
export function createWheel(tickMs: number, nowMs: number): TimingWheel {
  return { tickMs, slots: new Array<WheelNode | null>(TICKS).fill(null), doneTick: Math.floor(nowMs / tickMs) - 1, nextTick: Infinity, size: 0 };
}

export function createNode(entry: Entry): WheelNode {
  return { entry, tick: -1, previous: null, next: null };
}

/** Does nothing for a time that never comes. */
export function watch(wheel: TimingWheel, node: WheelNode, atMs: number): void {
  if (atMs === Infinity) return;
  const tick = Math.max(Math.floor(atMs / wheel.tickMs), wheel.doneTick + 1);
  const slot = tick % TICKS;
  const first = wheel.slots[slot] ?? null;
  node.tick = tick;
  node.next = first;
  if (first !== null) first.previous = node;
  wheel.slots[slot] = node;
  wheel.size++;
  if (tick < wheel.nextTick) wheel.nextTick = tick;
}

/** Does nothing for nodes that are not in the wheel. */
export function unwatch(wheel: TimingWheel, node: WheelNode): void {
  if (node.tick === -1) return;
  if (node.previous === null) wheel.slots[node.tick % TICKS] = node.next;
  else node.previous.next = node.next;
  if (node.next !== null) node.next.previous = node.previous;
  node.tick = -1;
  node.previous = null;
  node.next = null;
  wheel.size--;
  if (wheel.size === 0) wheel.nextTick = Infinity;
}

/** Entries whose tick has passed at nowMs, in no particular order. They leave the wheel. */
export function takeDue(wheel: TimingWheel, nowMs: number): Entry[] {
  const lastTick = Math.floor(nowMs / wheel.tickMs) - 1;
  if (wheel.nextTick > lastTick) {
    if (lastTick > wheel.doneTick) wheel.doneTick = lastTick;
    return [];
  }
  const due: Entry[] = [];
  // After a long pause every slot is looked at once, whatever the time.
  const from = Math.max(wheel.nextTick, lastTick - TICKS + 1);
  for (let tick = from; tick <= lastTick; tick++) {
    for (let node = wheel.slots[tick % TICKS] ?? null; node !== null;) {
      const following: WheelNode | null = node.next;
      if (node.tick <= lastTick) {
        unwatch(wheel, node);
        due.push(node.entry);
      }
      node = following;
    }
  }
  wheel.doneTick = lastTick;
  wheel.nextTick = nextOccupied(wheel, lastTick + 1);
  return due;
}

/** When takeDue should be called next; Infinity when nothing has a deadline. */
export function nextDueMs(wheel: TimingWheel): number {
  return wheel.size === 0 ? Infinity : (wheel.nextTick + 1) * wheel.tickMs;
}

function nextOccupied(wheel: TimingWheel, from: number): number {
  if (wheel.size === 0) return Infinity;
  let tick = from;
  while (wheel.slots[tick % TICKS] === null) tick++;
  return tick;
}
