/** Exactly one outcome for each job, whoever tells it: the pipeline, a client that left, or a stop. */
import type { JobResult, Reply } from '../contracts/job.ts';
import type { SluiceError } from '../errors.ts';

/** Passes on to `target` until the first outcome, and nothing after it. Lets go of the target then: a record outlives its request. */
export class SettleOnce implements Reply {
  #target: Reply | null;

  constructor(target: Reply) {
    this.#target = target;
  }

  started(info: Parameters<Reply['started']>[0]): void {
    this.#target?.started(info);
  }

  succeeded(result: JobResult): void {
    this.#take()?.succeeded(result);
  }

  failed(error: SluiceError): void {
    this.#take()?.failed(error);
  }

  #take(): Reply | null {
    const target = this.#target;
    this.#target = null;
    return target;
  }
}
