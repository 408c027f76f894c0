/** One queue per key. Tasks of a key run one after another, in the order in which they came; a failed one doesn't stop the next. */
export class SerialQueues {
  /** The last task of each key that has one; gone with it, since keys may come from clients. */
  readonly #tails = new Map<string, Promise<unknown>>();

  run<Result>(key: string, task: () => Promise<Result>): Promise<Result> {
    const before = this.#tails.get(key);
    const result = before === undefined ? task() : before.then(task);
    const tail = result.then(() => undefined, () => undefined).then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    this.#tails.set(key, tail);
    return result;
  }
}
