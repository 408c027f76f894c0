/**
 * Whether a batch is sent to wait in the host behind running ones. Staging hides the way from a result to the next order
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
  /** Milliseconds until the device has a slot and nothing staged for it. */
  readonly dryInMs: number;
}

/** Yes for a full batch of the best size, for a smaller one that costs hardly more per row, and when the device is about to run dry. */
export function shouldStage(query: StageQuery, tuning: Pick<Tuning, 'stageLeadMs' | 'stageLoss'>): boolean {
  return query.rows >= query.bestRows || query.rowMs <= query.bestRowMs * (1 + tuning.stageLoss) || query.dryInMs <= tuning.stageLeadMs;
}
