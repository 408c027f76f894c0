/** A binary heap whose items know their place, so that any of them can leave or move in O(log n). */
export interface HeapItem {
  /** Place in the heap that holds the item; -1 in none. An item is in one heap at a time. */
  heapIndex: number;
}

export class IndexedHeap<T extends HeapItem> {
  readonly #items: T[] = [];
  readonly #before: (a: T, b: T) => boolean;

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | null {
    return this.#items[0] ?? null;
  }

  has(item: T): boolean {
    return this.#items[item.heapIndex] === item;
  }

  push(item: T): void {
    item.heapIndex = this.#items.length;
    this.#items.push(item);
    this.#up(item);
  }

  remove(item: T): void {
    const index = item.heapIndex;
    const last = this.#items.pop()!;
    item.heapIndex = -1;
    if (last === item) return;
    this.#put(last, index);
    this.update(last);
  }

  /** The first `count` items in order, without taking them: O(count²) comparisons of a few. */
  smallest(count: number): T[] {
    const found: T[] = [];
    const frontier = this.#items.length > 0 ? [0] : [];
    while (found.length < count && frontier.length > 0) {
      let first = 0;
      for (let at = 1; at < frontier.length; at++) if (this.#before(this.#items[frontier[at]!]!, this.#items[frontier[first]!]!)) first = at;
      const [index] = frontier.splice(first, 1);
      found.push(this.#items[index!]!);
      for (const below of [2 * index! + 1, 2 * index! + 2]) if (below < this.#items.length) frontier.push(below);
    }
    return found;
  }

  /** The item's rank changed: moves it to where it belongs. */
  update(item: T): void {
    this.#up(item);
    this.#down(item);
  }

  /**
   * The ranks of several items fell at once. From the last place to the first, each only sinks, as when a heap is built: rising past
   * a parent that is itself too high would put it above brothers that nobody looks at again.
   */
  sinkAll(items: readonly T[]): void {
    for (const item of items.toSorted((a, b) => b.heapIndex - a.heapIndex)) this.#down(item);
  }

  /** The ranks of several items rose at once: from the first place to the last, each only rises. */
  riseAll(items: readonly T[]): void {
    for (const item of items.toSorted((a, b) => a.heapIndex - b.heapIndex)) this.#up(item);
  }

  #put(item: T, index: number): void {
    this.#items[index] = item;
    item.heapIndex = index;
  }

  #up(item: T): void {
    let index = item.heapIndex;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#items[above]!;
      if (!this.#before(item, parent)) break;
      this.#put(parent, index);
      index = above;
    }
    this.#put(item, index);
  }

  #down(item: T): void {
    let index = item.heapIndex;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= this.#items.length) break;
      if (below + 1 < this.#items.length && this.#before(this.#items[below + 1]!, this.#items[below]!)) below++;
      const child = this.#items[below]!;
      if (!this.#before(child, item)) break;
      this.#put(child, index);
      index = below;
    }
    this.#put(item, index);
  }
}
