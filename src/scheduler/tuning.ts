/** Every constant that the scheduler's decisions depend on, in one place. They are measured, not asked of anybody who runs Sluice. */
export interface Tuning {
  /**
   * A larger batch must finish the queue sooner by this share. Below it the curve is flat within what a median of a few
   * samples resolves (±2 % between runs), and the smaller batch answers sooner: the 99th percentile pays for large ones.
   */
  readonly enlargeGain: number;
  /**
   * What a batch costs beside its time in the host, in milliseconds: the order, the doorbell, the results and what the caches lose
   * (0.4 CPU-ms of all processes, measured on a 1 ms model). It is added to every size, so that cheap models get larger batches than their curve alone says.
   */
  readonly batchOverheadMs: number;
  /** Over how long arrivals are averaged: long enough for some tens of requests, short enough to follow a burst. */
  readonly pressureWindowMs: number;
  /** Devices are never taken to be busier than this share of the time: beyond it, wasting nothing is all that counts. */
  readonly maxUtilisation: number;
  /** Above it no slot can be counted on to come free before others have asked for it. */
  readonly crowdedUtilisation: number;
  /** A busy faster device is waited for only when the rows are then done sooner by this share. */
  readonly waitGain: number;
  /**
   * A batch smaller than the best is staged behind running ones when the device would otherwise run dry within this time.
   * It covers the front's own delay between a result and the next order. Longer, and rows go alone that could go together.
   */
  readonly stageLeadMs: number;
  /**
   * A full batch is staged when the device would run dry within this time. Longer gains nothing, and rows that are staged can't make
   * way for more urgent ones, nor go to a device that is free sooner.
   */
  readonly stageAheadMs: number;
  /** …and so is one whose is at most this share above that of the best size: nothing is lost then by not waiting for more. */
  readonly stageLoss: number;
  /** A batch is taken to end this much later than predicted when deadlines are looked at: half of all batches take longer than the median. */
  readonly deadlineMargin: number;
  /** Whoever has waited for so long counts as most urgent: the bound on what a low priority costs. */
  readonly agingMs: number;
  /** How exactly deadlines of waiting jobs are watched. Work past its deadline never starts, whatever this is. */
  readonly deadlineTickMs: number;
  /** Queues that one decision may find to be better off waiting before it stops looking. */
  readonly maxDeclines: number;
  /** Buckets of one model whose costs are remembered; beyond it the oldest idle one is forgotten. */
  readonly maxBucketsPerModel: number;
  /** A batch is given budgetFactor × its expected time, at least minBudgetMs and at most maxBudgetMs; then its host is killed. */
  readonly budgetFactor: number;
  readonly minBudgetMs: number;
  readonly maxBudgetMs: number;
  /** How long a size that ran out of device memory is avoided. */
  readonly outOfMemoryHoldMs: number;
  /** Space for outputs beyond what was seen per row, where shapes are dynamic. */
  readonly outputHeadroom: number;
}

export const DEFAULT_TUNING: Tuning = {
  enlargeGain: 0.05,
  batchOverheadMs: 0.4,
  pressureWindowMs: 200,
  maxUtilisation: 0.98,
  crowdedUtilisation: 0.9,
  waitGain: 0.1,
  stageLeadMs: 0.5,
  stageAheadMs: 5,
  stageLoss: 0.02,
  deadlineMargin: 1.1,
  agingMs: 1_000,
  deadlineTickMs: 5,
  maxDeclines: 64,
  maxBucketsPerModel: 256,
  budgetFactor: 10,
  minBudgetMs: 2_000,
  maxBudgetMs: 60_000,
  outOfMemoryHoldMs: 60_000,
  outputHeadroom: 1.25,
};
