/** Which queue goes next: models of a group by priority and share, queues of a model by priority and their callers' shares. */
import { modelStep } from './fairness.ts';
import { firstOf, moveFlows } from './queue.ts';
import type { CallerShare, ModelState, WaitingQueue } from './state.ts';

/** Both models have a ready queue: true when the first one's goes first. */
export function modelOutranks(a: ModelState, b: ModelState): boolean {
  const first = a.ready.peek()!;
  const second = b.ready.peek()!;
  const [priority, other] = [first.levels[0]!.priority, second.levels[0]!.priority];
  if (priority !== other) return priority < other;
  // Tags of models on other devices mean something else.
  const [step, otherStep] = [modelStep(a.tag), modelStep(b.tag)];
  if (a.group.shares === b.group.shares && step !== otherStep) return step < otherStep;
  return firstOf(first)!.sequence < firstOf(second)!.sequence;
}

/** The queue can start something. Who was away starts at the share of those who stayed. */
export function addReady(queue: WaitingQueue): void {
  const { model } = queue.bucket;
  const { ready, shares } = model.group;
  if (!ready.has(model)) model.tag = Math.max(model.tag, shares.virtualMs);
  showReady(queue);
}

/** As addReady, for a queue that was away only during a decision. */
export function showReady(queue: WaitingQueue): void {
  const { model } = queue.bucket;
  if (model.ready.has(queue)) model.ready.update(queue);
  else model.ready.push(queue);
  moveModel(model);
}

export function hideReady(queue: WaitingQueue): void {
  const { model } = queue.bucket;
  if (model.ready.has(queue)) model.ready.remove(queue);
  moveModel(model);
}

/** The model's rank may have changed: puts it where it belongs in its group, or takes it out. */
export function moveModel(model: ModelState): void {
  const { ready } = model.group;
  if (model.ready.size === 0) {
    if (ready.has(model)) ready.remove(model);
  } else if (ready.has(model)) {
    ready.update(model);
  } else {
    ready.push(model);
  }
}

/** The caller's tag changed: its flows, and the queues that they lead, move to where it puts them. */
export function moveCaller(model: ModelState, share: CallerShare, direction: 'back' | 'forward'): void {
  // Among themselves, one caller's flows stay in the order of arrival.
  if (model.callers.active < 2) return;
  moveFlows(share);
  if (model.ready.size > 1) {
    const queues = new Set([...share.flows].map(({ queue }) => queue).filter((queue) => model.ready.has(queue)));
    if (direction === 'back') model.ready.sinkAll([...queues]);
    else model.ready.riseAll([...queues]);
  }
  moveModel(model);
}
