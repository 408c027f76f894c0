/**
 * When a batch is sent to wait in the host behind running ones. Staging hides the way from a result to the next order
 * (15–18 % of throughput at 2 CPU slots), but takes rows that could have gone with later ones, and can't be taken back.
 */
import type { Tuning } from './tuning.ts';

export interface StageQuery {
  /** Rows that wait. */
  readonly rows: number;
  readonly bestRows: number;
  /** Cost per row of a batch of what waits, and of the best batch, in milliseconds. */
  readonly rowMs: number;
  readonly bestRowMs: number;
}

/**
 * How long before the device runs dry a batch of what waits is sent to it: early enough for a full batch, or one that costs hardly
 * more per row; at the last moment for a smaller one, which may still grow.
 */
export function stageAheadMs({ rows, bestRows, rowMs, bestRowMs }: StageQuery, tuning: Pick<Tuning, 'stageAheadMs' | 'stageLeadMs' | 'stageLoss'>): number {
  return rows >= bestRows || rowMs <= bestRowMs * (1 + tuning.stageLoss) ? tuning.stageAheadMs : tuning.stageLeadMs;
}
