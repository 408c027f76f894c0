/** Batches that a host has, and which of them has been there too long. Pure. */
import type { BatchOrder } from '../contracts/device.ts';
import type { TensorSpec } from '../contracts/tensor.ts';

export interface InFlight {
  readonly order: BatchOrder;
  readonly outputs: readonly TensorSpec[];
  readonly budgetMs: number;
  readonly pushedMs: number;
  /** Null while it waits in the host. */
  startedMs: number | null;
}

export interface Overdue {
  readonly batchId: number;
  readonly reason: string;
}

export class InFlightTable {
  private readonly batches = new Map<number, InFlight>();
  private readonly slots: number;
  private running = 0;
  /** When a batch last began or ended. */
  private activityMs = 0;

  constructor(slots: number) {
    this.slots = slots;
  }

  get size(): number {
    return this.batches.size;
  }

  add(order: BatchOrder, outputs: readonly TensorSpec[], budgetMs: number, nowMs: number): void {
    this.batches.set(order.batchId, { order, outputs, budgetMs, pushedMs: nowMs, startedMs: null });
  }

  get(batchId: number): InFlight | undefined {
    return this.batches.get(batchId);
  }

  /**
   * Notes that the host began a batch, and returns when: not before it was sent nor after now, whatever the host says.
   * Null when there is no such batch, or it has begun before.
   */
  begin(batchId: number, startedMs: number, nowMs: number): number | null {
    const batch = this.batches.get(batchId);
    if (batch?.startedMs !== null) return null;
    this.running += 1;
    this.activityMs = nowMs;
    // Also right for NaN.
    batch.startedMs = startedMs >= batch.pushedMs && startedMs <= nowMs ? startedMs : nowMs;
    return batch.startedMs;
  }

  end(batchId: number, nowMs: number): void {
    const batch = this.batches.get(batchId);
    if (batch === undefined) return;
    if (batch.startedMs !== null) this.running -= 1;
    this.activityMs = nowMs;
    this.batches.delete(batchId);
  }

  /** Takes every batch out, oldest first. */
  clear(): BatchOrder[] {
    const orders = [...this.batches.values()].map(({ order }) => order);
    this.batches.clear();
    this.running = 0;
    return orders;
  }

  /**
   * A batch that the host should have finished, or begun: one that has run longer than its budget, or one that waits although
   * a worker is free. `excused`: the workers are loading a model, which takes what it takes.
   */
  overdue(nowMs: number, excused: boolean): Overdue | null {
    for (const { order, budgetMs, startedMs, pushedMs } of this.batches.values()) {
      const { batchId } = order;
      if (startedMs !== null) {
        if (nowMs - startedMs > budgetMs) return { batchId, reason: `it ran longer than its budget of ${Math.round(budgetMs)} ms` };
      } else if (!excused && this.running < this.slots && nowMs - Math.max(pushedMs, this.activityMs) > budgetMs) {
        return { batchId, reason: `the host did not begin it within ${Math.round(budgetMs)} ms` };
      }
    }
    return null;
  }

  /** The host did something that explains a pause: what waits is timed from here. */
  touch(nowMs: number): void {
    this.activityMs = nowMs;
  }
}
