export class IndexedHeap {
    #items = [];
    #before;
    constructor(before) {
        this.#before = before;
    }
    get size() {
        return this.#items.length;
    }
    peek() {
        return this.#items[0] ?? null;
    }
    has(item) {
        return this.#items[item.heapIndex] === item;
    }
    push(item) {
        item.heapIndex = this.#items.length;
        this.#items.push(item);
        this.#up(item);
    }
    remove(item) {
        const index = item.heapIndex;
        const last = this.#items.pop();
        item.heapIndex = -1;
        if (last === item)
            return;
        this.#put(last, index);
        this.update(last);
    }
    /** The item's rank changed: moves it to where it belongs. */
    update(item) {
        this.#up(item);
        this.#down(item);
    }
    #put(item, index) {
        this.#items[index] = item;
        item.heapIndex = index;
    }
    #up(item) {
        let index = item.heapIndex;
        while (index > 0) {
            const above = (index - 1) >> 1;
            const parent = this.#items[above];
            if (!this.#before(item, parent))
                break;
            this.#put(parent, index);
            index = above;
        }
        this.#put(item, index);
    }
    #down(item) {
        let index = item.heapIndex;
        for (;;) {
            let below = 2 * index + 1;
            if (below >= this.#items.length)
                break;
            if (below + 1 < this.#items.length && this.#before(this.#items[below + 1], this.#items[below]))
                below++;
            const child = this.#items[below];
            if (!this.#before(child, item))
                break;
            this.#put(child, index);
            index = below;
        }
        this.#put(item, index);
    }
}
