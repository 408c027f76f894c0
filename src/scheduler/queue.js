export function createQueue(bucket, alone) {
    return { bucket, alone, levels: [], rows: 0, entries: 0, heldUntilMs: -Infinity, heapIndex: -1 };
}
export function createEntry(record, sequence, rowStart, rows, history) {
    return {
        record, sequence, history, rowStart, rows, workMs: 0, queue: null, level: null, previous: null, next: null,
        dueTick: -1, duePrevious: null, dueNext: null,
    };
}
/** The entry that is next; null when the queue is empty. */
export function firstOf(queue) {
    return queue.levels[0]?.first ?? null;
}
/** The entry after this one in the queue's order. */
export function following(queue, entry) {
    if (entry.next !== null)
        return entry.next;
    return queue.levels[queue.levels.indexOf(entry.level) + 1]?.first ?? null;
}
/** Both queues have an entry: true when the first one's goes first. Priority, then arrival, then rows of one job in order. */
export function outranks(a, b) {
    const first = firstOf(a);
    const second = firstOf(b);
    if (a.levels[0].priority !== b.levels[0].priority)
        return a.levels[0].priority < b.levels[0].priority;
    return precedes(first, second);
}
export function insert(queue, entry) {
    const level = levelFor(queue, entry.record.job.priority);
    let after = level.last;
    // New entries go last; those that come back after a lost batch are among the oldest, and look from the front.
    if (after !== null && precedes(entry, after)) {
        after = null;
        for (let at = level.first; at !== null && precedes(at, entry); at = at.next)
            after = at;
    }
    entry.queue = queue;
    entry.level = level;
    entry.previous = after;
    entry.next = after === null ? level.first : after.next;
    if (entry.previous === null)
        level.first = entry;
    else
        entry.previous.next = entry;
    if (entry.next === null)
        level.last = entry;
    else
        entry.next.previous = entry;
    queue.rows += entry.rows;
    queue.entries++;
}
export function remove(entry) {
    const { queue, level } = entry;
    if (queue === null || level === null)
        return;
    if (entry.previous === null)
        level.first = entry.next;
    else
        entry.previous.next = entry.next;
    if (entry.next === null)
        level.last = entry.previous;
    else
        entry.next.previous = entry.previous;
    entry.queue = null;
    entry.level = null;
    entry.previous = null;
    entry.next = null;
    queue.rows -= entry.rows;
    queue.entries--;
    if (level.first === null && queue.levels.length > 1)
        queue.levels.splice(queue.levels.indexOf(level), 1);
}
function precedes(a, b) {
    return a.sequence !== b.sequence ? a.sequence < b.sequence : a.rowStart < b.rowStart;
}
function levelFor(queue, priority) {
    const { levels } = queue;
    const only = levels[0];
    if (only?.first === null && only.priority !== priority)
        levels.length = 0;
    let low = 0;
    let high = levels.length;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (levels[middle].priority < priority)
            low = middle + 1;
        else
            high = middle;
    }
    const found = levels[low];
    if (found?.priority === priority)
        return found;
    const level = { priority, first: null, last: null };
    levels.splice(low, 0, level);
    return level;
}
