/** 16,384 ticks of 5 ms are 82 s: deadlines beyond that are looked at once a turn. */
const TICKS = 16_384;
/** `nowMs`: ticks before it count as passed. */
export function createWheel(tickMs, nowMs) {
    return { tickMs, slots: new Array(TICKS).fill(null), doneTick: Math.floor(nowMs / tickMs) - 1, nextTick: Infinity, size: 0 };
}
/** Does nothing for entries without a deadline. */
export function watch(wheel, entry) {
    const { deadlineMs } = entry.record.job;
    if (deadlineMs === Infinity)
        return;
    const tick = Math.max(Math.floor(deadlineMs / wheel.tickMs), wheel.doneTick + 1);
    const slot = tick % TICKS;
    const first = wheel.slots[slot] ?? null;
    entry.dueTick = tick;
    entry.dueNext = first;
    if (first !== null)
        first.duePrevious = entry;
    wheel.slots[slot] = entry;
    wheel.size++;
    if (tick < wheel.nextTick)
        wheel.nextTick = tick;
}
/** Does nothing for entries that are not in the wheel. */
export function unwatch(wheel, entry) {
    if (entry.dueTick === -1)
        return;
    if (entry.duePrevious === null)
        wheel.slots[entry.dueTick % TICKS] = entry.dueNext;
    else
        entry.duePrevious.dueNext = entry.dueNext;
    if (entry.dueNext !== null)
        entry.dueNext.duePrevious = entry.duePrevious;
    entry.dueTick = -1;
    entry.duePrevious = null;
    entry.dueNext = null;
    wheel.size--;
    if (wheel.size === 0)
        wheel.nextTick = Infinity;
}
/** Entries whose tick has passed at nowMs, by deadline, then arrival. They leave the wheel. */
export function takeDue(wheel, nowMs) {
    const lastTick = Math.floor(nowMs / wheel.tickMs) - 1;
    if (wheel.nextTick > lastTick) {
        if (lastTick > wheel.doneTick)
            wheel.doneTick = lastTick;
        return NONE;
    }
    const due = [];
    // After a long pause every slot is looked at once, whatever the time.
    const from = Math.max(wheel.nextTick, lastTick - TICKS + 1);
    for (let tick = from; tick <= lastTick; tick++) {
        for (let entry = wheel.slots[tick % TICKS] ?? null; entry !== null;) {
            const following = entry.dueNext;
            if (entry.dueTick <= lastTick) {
                unwatch(wheel, entry);
                due.push(entry);
            }
            entry = following;
        }
    }
    wheel.doneTick = lastTick;
    wheel.nextTick = nextOccupied(wheel, lastTick + 1);
    return due.sort((a, b) => a.record.job.deadlineMs - b.record.job.deadlineMs || a.sequence - b.sequence);
}
/** When takeDue should be called next; Infinity when nothing has a deadline. */
export function nextDueMs(wheel) {
    return wheel.size === 0 ? Infinity : (wheel.nextTick + 1) * wheel.tickMs;
}
const NONE = [];
function nextOccupied(wheel, from) {
    if (wheel.size === 0)
        return Infinity;
    let tick = from;
    while (wheel.slots[tick % TICKS] === null)
        tick++;
    return tick;
}
