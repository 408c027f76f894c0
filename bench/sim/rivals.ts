/**
 * What others do, from their published rules (research/peers.md B1–B2, research/triton.md §3). Each is given what helps it: the
 * requests of callers that have given up leave its queue at once, and its figures are tuned for every cell.
 */

/** What a policy sees of its queue. */
export interface QueueView {
  readonly length: number;
  /** When the oldest, and the newest, request came. */
  readonly oldestMs: number;
  readonly newestMs: number;
  /** Requests from the oldest on that have its shape, at most `limit`. */
  sameShape(limit: number): number;
}

export type Choice =
  /** Start so many requests now. */
  | { readonly rows: number }
  /** Look again then. */
  | { readonly rows: 0; readonly againAtMs: number };

export interface Rival {
  /** Asked when a slot is free and the queue is not empty. */
  choose(queue: QueueView, nowMs: number): Choice;
  /** A batch is done. `waitedMs`: of its oldest request, until it began. */
  learned?(rows: number, tookMs: number, waitedMs: number): void;
  /** Takes the newest requests first. */
  readonly fromTail?: boolean;
  /** Puts requests of different shapes together, padded to the longest. */
  readonly pads?: boolean;
}

export interface RivalSetting {
  readonly rival: string;
  readonly setting: string;
  /** Refuses what would make the queue longer than what is done in half a deadline: the best bound that could be configured. */
  readonly bounded?: boolean;
  create(deadlineMs: number): Rival;
}

const SIZES = [4, 8, 32];

const NO_BATCHING: RivalSetting = { rival: 'no batching', setting: '', create: () => ({ choose: () => ({ rows: 1 }) }) };

/** Triton: as many as there are, up to the maximum; fewer wait until the oldest has waited for the delay. */
function triton(maximum: number, delayMs: number): RivalSetting {
  return {
    rival: 'Triton', setting: `max ${maximum}, ${delayMs} ms`,
    create: () => ({
      choose(queue, nowMs) {
        const rows = queue.sameShape(maximum);
        const dueMs = queue.oldestMs + delayMs;
        // A request of another shape behind them ends the batch.
        return rows === maximum || rows < queue.length || nowMs >= dueMs ? { rows } : { rows: 0, againAtMs: dueMs };
      },
    }),
  };
}

/** Triton with preferred sizes: the largest that is reached, at once; else what is there after the delay. */
function tritonPreferred(sizes: readonly number[], delayMs: number): RivalSetting {
  return {
    rival: 'Triton', setting: `preferred ${sizes.join(', ')}, ${delayMs} ms`,
    create: () => ({
      choose(queue, nowMs) {
        const there = queue.sameShape(sizes.at(-1)!);
        const preferred = sizes.findLast((size) => size <= there);
        const dueMs = queue.oldestMs + delayMs;
        if (preferred !== undefined) return { rows: preferred };
        return there < queue.length || nowMs >= dueMs ? { rows: there } : { rows: 0, againAtMs: dueMs };
      },
    }),
  };
}

/** text-embeddings-inference: whatever is there, padded, without waiting. */
function greedy(maximum: number): RivalSetting {
  return { rival: 'greedy', setting: `max ${maximum}`, create: () => ({ pads: true, choose: (queue) => ({ rows: Math.min(queue.length, maximum) }) }) };
}

/** Gradio's batch functions: as greedy, with a small maximum by default (4). */
const GRADIO: RivalSetting = { rival: 'Gradio', setting: 'max 4', create: greedy(4).create };

/** BentoML's dispatcher: a line through the last batches' times; waits while that costs less than it saves on average; newest first. */
const BENTOML: RivalSetting = {
  rival: 'BentoML', setting: 'max 32',
  create() {
    const samples: { readonly rows: number; readonly ms: number }[] = [];
    let waitMs = 0;
    let perRow = 2;
    let fixed = 1;
    return {
      fromTail: true,
      choose(queue, nowMs) {
        const rows = Math.min(32, queue.length);
        const sinceNewestMs = nowMs - queue.newestMs;
        if (queue.length < 32 && queue.length * (sinceNewestMs + 1 + perRow) <= waitMs * 0.95) return { rows: 0, againAtMs: nowMs + 1 };
        return { rows };
      },
      learned(rows, ms, waitedMs) {
        samples.push({ rows, ms });
        if (samples.length > 50) samples.shift();
        waitMs += 0.05 * (waitedMs - waitMs);
        const n = samples.length;
        const meanRows = samples.reduce((sum, sample) => sum + sample.rows, 0) / n;
        const meanMs = samples.reduce((sum, sample) => sum + sample.ms, 0) / n;
        const spread = samples.reduce((sum, sample) => sum + (sample.rows - meanRows) ** 2, 0);
        if (spread > 0) perRow = Math.max(0, samples.reduce((sum, sample) => sum + (sample.rows - meanRows) * (sample.ms - meanMs), 0) / spread);
        fixed = Math.max(0, meanMs - perRow * meanRows);
        if (fixed === 0 && spread === 0) perRow = meanMs / meanRows;
      },
    };
  },
};

/** Clipper: the maximum grows by one while batches keep the objective, and shrinks by a tenth when one does not. */
function clipper(share: number): RivalSetting {
  return {
    rival: 'Clipper', setting: `objective ${share} × deadline`,
    create(deadlineMs) {
      let maximum = 1;
      return {
        choose: (queue) => ({ rows: queue.sameShape(Math.max(1, Math.floor(maximum))) }),
        learned(rows, tookMs) {
          if (tookMs > deadlineMs * share) maximum = Math.max(1, maximum * 0.9);
          else if (rows >= Math.floor(maximum)) maximum = Math.min(64, maximum + 1);
        },
      };
    },
  };
}

const SETTINGS: readonly RivalSetting[] = [
  NO_BATCHING,
  ...SIZES.flatMap((size) => [0, 2, 5, 10].map((delayMs) => triton(size, delayMs))),
  tritonPreferred([4, 8], 2), tritonPreferred([8, 16], 5),
  ...SIZES.map(greedy),
  GRADIO,
  BENTOML,
  clipper(0.25), clipper(0.5),
];

/** Each without and with a bound of its queue. */
export const RIVALS: readonly RivalSetting[] = SETTINGS.flatMap((setting) => [setting, { ...setting, setting: `${setting.setting}, bounded`, bounded: true }]);
