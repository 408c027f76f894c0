/**
 * A waiting queue: levels by priority; in a level a flow per caller, the flow that has had least first (fairness.ts); in a flow by
 * arrival. Finding the next entry takes constant time, adding or removing one O(log callers).
 */
import { createNode } from './deadlines.ts';
import { shareOf } from './fairness.ts';
import { IndexedHeap } from './heap.ts';
import type { Bucket, CallerShare, Entry, Flow, History, JobRecord, Level, WaitingQueue } from './state.ts';

export function createQueue(bucket: Bucket, alone: boolean): WaitingQueue {
  return { bucket, alone, levels: [], rows: 0, entries: 0, heldUntilMs: -Infinity, heapIndex: -1 };
}

export function createEntry(record: JobRecord, sequence: number, rowStart: number, rows: number, history: History): Entry {
  const fields: Omit<Entry, 'due' | 'aging'> = {
    record, sequence, history, rowStart, rows, workMs: 0, flow: null, previous: null, next: null, priority: record.job.priority,
  };
  // The two nodes point back at it.
  const entry = fields as { -readonly [Key in keyof Entry]: Entry[Key] };
  entry.due = createNode(entry);
  entry.aging = createNode(entry);
  return entry;
}

/** The entry that is next; null when the queue is empty. */
export function firstOf(queue: WaitingQueue): Entry | null {
  return queue.levels[0]?.order.peek()?.first ?? null;
}

/** Every entry, in no particular order. */
export function* entriesOf({ levels }: WaitingQueue): Generator<Entry> {
  for (const level of levels) yield* entriesIn(level);
}

export function* entriesIn({ flows }: Level): Generator<Entry> {
  for (const { first } of flows.values()) for (let entry = first; entry !== null; entry = entry.next) yield entry;
}

/**
 * The first `count` entries, in the order in which they would go if each flow's turn came once for each entry: an estimate of
 * what others will take, in O(count × log callers).
 */
export function firstEntries(queue: WaitingQueue, count: number): readonly Entry[] {
  const found: Entry[] = [];
  for (const { order } of queue.levels) {
    if (found.length >= count) break;
    let round = order.smallest(count - found.length).map(({ first }) => first);
    while (round.length > 0 && found.length < count) {
      for (const entry of round) if (entry !== null && found.length < count) found.push(entry);
      round = round.flatMap((entry) => (entry?.next == null ? [] : [entry.next]));
    }
  }
  return found;
}

/** Both queues are of one model and have an entry: true when the first one's goes first. Priority, then the caller's share, then arrival. */
export function outranks(a: WaitingQueue, b: WaitingQueue): boolean {
  const first = a.levels[0]!;
  const second = b.levels[0]!;
  return first.priority !== second.priority ? first.priority < second.priority : goesFirst(first.order.peek()!, second.order.peek()!);
}

export function insert(queue: WaitingQueue, entry: Entry): void {
  const level = levelFor(queue, entry.priority);
  const { caller } = entry.record.job;
  const known = level.flows.get(caller);
  const flow: Flow = known ?? { queue, level, share: shareOf(queue.bucket.model.callers, caller), first: null, last: null, heapIndex: -1 };
  let after = flow.last;
  // New entries go last; those that come back after a lost batch are among the oldest, and look from the front.
  if (after !== null && precedes(entry, after)) {
    after = null;
    for (let at = flow.first; at !== null && precedes(at, entry); at = at.next) after = at;
  }
  entry.flow = flow;
  entry.previous = after;
  entry.next = after === null ? flow.first : after.next;
  if (entry.previous === null) flow.first = entry;
  else entry.previous.next = entry;
  if (entry.next === null) flow.last = entry;
  else entry.next.previous = entry;
  queue.rows += entry.rows;
  queue.entries++;
  if (known === undefined) {
    flow.share.flows.add(flow);
    level.flows.set(caller, flow);
    level.order.push(flow);
  } else if (flow.first === entry) {
    level.order.update(flow);
  }
}

export function remove(entry: Entry): void {
  const { flow } = entry;
  if (flow === null) return;
  const { queue, level, share } = flow;
  const wasFirst = flow.first === entry;
  if (entry.previous === null) flow.first = entry.next;
  else entry.previous.next = entry.next;
  if (entry.next === null) flow.last = entry.previous;
  else entry.next.previous = entry.previous;
  entry.flow = null;
  entry.previous = null;
  entry.next = null;
  queue.rows -= entry.rows;
  queue.entries--;
  if (flow.first === null) {
    share.flows.delete(flow);
    level.order.remove(flow);
    level.flows.delete(share.caller);
    if (level.flows.size === 0 && queue.levels.length > 1) queue.levels.splice(queue.levels.indexOf(level), 1);
  } else if (wasFirst) {
    level.order.update(flow);
  }
}

/** The caller's tag changed: its flows move to where it puts them. */
export function moveFlows({ flows }: CallerShare): void {
  for (const flow of flows) if (flow.level.flows.size > 1) flow.level.order.update(flow);
}

function goesFirst(a: Flow, b: Flow): boolean {
  return a.share.tag !== b.share.tag ? a.share.tag < b.share.tag : precedes(a.first!, b.first!);
}

function precedes(a: Entry, b: Entry): boolean {
  return a.sequence !== b.sequence ? a.sequence < b.sequence : a.rowStart < b.rowStart;
}

function levelFor(queue: WaitingQueue, priority: number): Level {
  const { levels } = queue;
  const only = levels[0];
  if (only?.flows.size === 0 && only.priority !== priority) levels.length = 0;
  let low = 0;
  let high = levels.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (levels[middle]!.priority < priority) low = middle + 1;
    else high = middle;
  }
  const found = levels[low];
  if (found?.priority === priority) return found;
  const level: Level = { priority, flows: new Map(), order: new IndexedHeap(goesFirst) };
  levels.splice(low, 0, level);
  return level;
}
