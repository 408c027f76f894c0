/**
 * The scheduler's whole state as plain data. The functions of this folder change it; given the same state, time and calls they
 * decide the same. Nothing here knows of timers, processes or bytes.
 */
import type { CostCurve, JobPart, SizeQuery } from '../contracts/batching.ts';
import type { DeviceId } from '../contracts/device.ts';
import type { Job } from '../contracts/job.ts';
import type { LoadReport, ModelKey, ServingModel } from '../contracts/model.ts';
import type { IndexedHeap } from './heap.ts';
import type { Tuning } from './tuning.ts';

/** One accepted job, from submit until its last part came back. */
export interface JobRecord {
  readonly job: Job;
  readonly rows: number;
  readonly bucket: Bucket;
  readonly predictedQueueMs: number;
  /** Rows that wait, as ranges: one entry at first, more only after retries. */
  readonly waiting: Entry[];
  /** Parts of it that are in batches. */
  running: number;
  /** When the first part began to run; NaN before. */
  startedMs: number;
  settled: boolean;
  /** Its inputs were given back. */
  released: boolean;
  /** It was given up while rows of it waited. */
  expired: boolean;
}

/** What a range of rows went through already: retries are bounded by it. */
export interface History {
  /** Batches lost under it: the second is the last. */
  readonly losses: number;
  /** Runs only with rows of its own job. */
  readonly alone: boolean;
}

/** Rows of one job that wait. Links are the queue's and the deadline wheel's own. */
export interface Entry {
  readonly record: JobRecord;
  /** Order of arrival; retries keep their job's. */
  readonly sequence: number;
  readonly history: History;
  rowStart: number;
  rows: number;
  /** Predicted milliseconds of its group's devices, as added to the group's sum. */
  workMs: number;
  /** Null when it does not wait. */
  flow: Flow | null;
  previous: Entry | null;
  next: Entry | null;
  /** Its priority, or the most urgent one once it has waited long enough. */
  priority: number;
  readonly due: WheelNode;
  readonly aging: WheelNode;
}

/** In a timing wheel; its tick is -1 while it is in none. */
export interface WheelNode {
  readonly entry: Entry;
  tick: number;
  previous: WheelNode | null;
  next: WheelNode | null;
}

export interface Level {
  readonly priority: number;
  /** By caller; only those with entries. */
  readonly flows: Map<string, Flow>;
  readonly order: IndexedHeap<Flow>;
}

/** What one caller has waiting in a level, by arrival. */
export interface Flow {
  readonly queue: WaitingQueue;
  readonly level: Level;
  readonly share: CallerShare;
  first: Entry | null;
  last: Entry | null;
  heapIndex: number;
}

/** Callers of one model. */
export interface CallerShares {
  virtualMs: number;
  /** Those who have something waiting; others are forgotten sooner or later. */
  readonly known: Map<string, CallerShare>;
  sweepAt: number;
  /** With something waiting. */
  active: number;
}

export interface CallerShare {
  readonly caller: string;
  /** Milliseconds of device time that the caller has had. */
  tag: number;
  entries: number;
  workMs: number;
  /** Where it waits: one for each level of each queue. */
  readonly flows: Set<Flow>;
}

/** Models on the same devices. */
export interface ModelShares {
  virtualMs: number;
  /** See pressure.ts. */
  utilisation: number;
  seenMs: number;
  firstMs: number;
}

/** Entries of one bucket by priority, then what their callers have had, then arrival. */
export interface WaitingQueue {
  readonly bucket: Bucket;
  /** The bucket's second queue: each entry runs alone, on the CPU where that can. */
  readonly alone: boolean;
  /** By ascending priority number. An empty level stays only when it is the only one. */
  readonly levels: Level[];
  rows: number;
  entries: number;
  heldUntilMs: number;
  heapIndex: number;
}

/** Jobs of one model that can share batches, and what is known of their costs. */
export interface Bucket {
  readonly name: string;
  readonly model: ModelState;
  queue: WaitingQueue;
  retries: WaitingQueue;
  /** Input elements of a row over those of the warm-up; 1 for models of one shape. */
  readonly elementsPerRow: number;
  /** By position, as in model.placements. */
  curves: (LearnedCurve | undefined)[];
  /** The largest seen; 0 before the first result. */
  outputBytesPerRow: number;
  /** Predicted milliseconds that a row occupies all devices of the model; see predict.ts. */
  msPerRow: number;
  ratesVersion: number;
  /** Jobs that wait or run. */
  liveJobs: number;
}

/** Learns; see costs.ts. */
export interface LearnedCurve extends CostCurve {
  readonly costMs: Float64Array;
  /** The size that a batch of so many rows really runs at. */
  readonly padded: Int32Array;
  bestRows: number;
  readonly learned: Learned;
}

export interface Learned {
  /** As the load measured it, by padded rows. */
  readonly seedMs: Float64Array;
  /** What each size was found to cost over its seed, beside the drift; by padded rows. */
  readonly bias: Float64Array;
  /** Batches that each size has run; by padded rows. */
  readonly observed: Int32Array;
  /** Observed over seeded cost of all sizes together, smoothed. */
  drift: number;
  readonly overheadMs: number;
  readonly enlargeGain: number;
}

export interface ModelState {
  readonly model: ServingModel;
  readonly buckets: Map<string, Bucket>;
  placements: readonly Placement[];
  group: Group;
  /** Its queues that could start something. */
  readonly ready: IndexedHeap<WaitingQueue>;
  heapIndex: number;
  /** Device time that it has had; see fairness.ts. */
  tag: number;
  readonly callers: CallerShares;
  /** Predicted milliseconds of its devices that what waits for it takes. */
  workMs: number;
  queuedJobs: number;
  liveJobs: number;
  /** Milliseconds that a job of late occupies all devices of the model; 0 before the first. */
  jobCostMs: number;
  /** Milliseconds that a batch of late took in the host; 0 before the first. */
  serviceMs: number;
  draining: boolean;
}

/** A model on a device that could load it. */
export interface Placement {
  readonly device: DeviceSlots;
  readonly report: LoadReport;
  /** Most rows while memory is short there; Infinity otherwise. */
  memoryCapRows: number;
  memoryCapUntilMs: number;
}

/** Models that run on the same devices under the same permit: they compete, by priority, then by what each has had of the devices. */
export interface Group {
  readonly key: string;
  readonly devices: readonly DeviceSlots[];
  readonly permit: Permit | null;
  readonly ready: IndexedHeap<ModelState>;
  readonly shares: ModelShares;
  /** Predicted milliseconds that all devices of the group need for what waits. */
  workMs: number;
  entries: number;
  models: number;
}

/** A model's own concurrency id. */
export interface Permit {
  readonly id: string;
  limit: number;
  /** Models that declared it, in order. */
  readonly models: { readonly key: ModelKey; readonly name: string }[];
  used: number;
}

export interface DeviceSlots {
  readonly id: DeviceId;
  readonly kind: 'cpu' | 'gpu';
  readonly prefetch: number;
  readonly index: number;
  ready: boolean;
  /** Ended for good. */
  gone: boolean;
  readonly running: (Batch | null)[];
  runningCount: number;
  /** Behind the running ones, in order. */
  readonly staged: Batch[];
  /** What startsInMs said, and for when; NaN once the slots have changed. */
  startsMs: number;
  startsAtMs: number;
  /** During one decision: milliseconds that queues which wait for it will take. */
  claimedMs: number;
}

export interface Part extends JobPart {
  readonly record: JobRecord;
  readonly sequence: number;
  readonly history: History;
}

export type BatchReason = 'alone' | 'full' | 'preferred' | 'delay' | 'drained' | 'cheapest' | 'deadline';

export interface Batch {
  id: number;
  readonly bucket: Bucket;
  readonly device: DeviceSlots;
  readonly placement: Placement;
  readonly curve: LearnedCurve;
  readonly permit: Permit | null;
  readonly parts: readonly Part[];
  readonly rows: number;
  readonly paddedRows: number;
  readonly reason: BatchReason;
  /** Without the overhead. */
  readonly predictedMs: number;
  expectedEndMs: number;
  /** -1 while staged. */
  slot: number;
}

/** Waiting entries by a time of theirs; see deadlines.ts. */
export interface TimingWheel {
  readonly tickMs: number;
  readonly slots: (WheelNode | null)[];
  /** Up to and with this one. */
  doneTick: number;
  /** Nothing is due before it. */
  nextTick: number;
  size: number;
}

export interface SchedulerState {
  readonly tuning: Tuning;
  readonly chooseRows: (query: SizeQuery) => number;
  readonly devices: readonly DeviceSlots[];
  readonly models: Map<ModelKey, ModelState>;
  readonly permits: Map<string, Permit>;
  readonly groups: Map<string, Group>;
  /** By the devices that models run on; as long as a group uses them. */
  readonly shares: Map<string, ModelShares>;
  readonly batches: Map<number, Batch>;
  readonly deadlines: TimingWheel;
  /** When each entry counts as most urgent. */
  readonly aging: TimingWheel;
  /** Queues that wait because model.json says so (maxQueueDelayMs), by when that ends. */
  readonly held: IndexedHeap<WaitingQueue>;
  queuedJobs: number;
  nextSequence: number;
  nextBatchId: number;
  /** Rises when devices come or go: rates are computed again. */
  ratesVersion: number;
  /** No memory for outputs: nothing starts until some is given back. */
  blocked: boolean;
  /** Largest batch while memory for outputs is short; Infinity otherwise. */
  rowLimit: number;
}
