/** Lets async code wait for a condition over state that changes now and then. */
export class Signal {
  private waiters: (() => void)[] = [];

  /** Something that somebody may wait for has changed. */
  notify(): void {
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) waiter();
  }

  /** Resolves once the condition holds; it is looked at now and after every notify(). */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.waiters.push(resolve);
      });
    }
  }
}
