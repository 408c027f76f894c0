import { observe } from "./costs.js";
import { afterLoss, afterModelError, afterOutOfMemory } from "./outcome.js";
import { learnNeeded, learnOutput, outputBytes } from "./output-space.js";
import { dropHold } from "./settlement.js";
import { began } from "./slots.js";
import { land, launch, partDone, requeue } from "./transitions.js";
/** Outputs whose size depends on the data can need more space than the last time; a model that never stops asking is wrong. */
const MAX_RERUNS = 3;
export class Flights {
    #ports;
    #flights = new Map();
    constructor(ports) {
        this.#ports = ports;
    }
    get size() {
        return this.#flights.size;
    }
    /**
     * Sends a batch that was decided. no-space: the arena has no room for its outputs. refused: the device would not take it.
     * In both cases its rows wait again (or, the second time that a device refuses them, their jobs fail).
     */
    send(batch) {
        const { state, arena } = this.#ports;
        const lease = arena.reserve(outputBytes(batch, state.tuning));
        if (lease !== null)
            return this.#run(batch, lease, 0) ? 'sent' : 'refused';
        this.#ended(batch, sameAgain)();
        return 'no-space';
    }
    /** The host began a batch. */
    started(batchId, startedMs) {
        const flight = this.#flights.get(batchId);
        if (flight === undefined)
            return;
        began(flight.batch, startedMs);
        for (const { record } of flight.batch.parts)
            this.#ports.settlement.started(record, flight.batch, startedMs);
    }
    /**
     * The batch is over. Its slot is free when this returns; the function that it returns gives the jobs their answers, so that
     * the slot can be filled first. Null for a batch that is not in flight.
     */
    done(result) {
        const flight = this.#take(result.batchId);
        if (flight === null)
            return null;
        const { batch, lease } = flight;
        if (!result.ok) {
            lease.release();
            if (result.code === 'OUTPUT_SPACE')
                return this.#outputSpace(flight, result.neededBytes, result.message);
            if (result.code === 'BAD_ORDER')
                return this.#lost(batch, `the host refused the order: ${result.message}`);
            if (result.code === 'OUT_OF_MEMORY')
                this.#capMemory(batch);
            const fateOf = result.code === 'OUT_OF_MEMORY' ? (part) => afterOutOfMemory(batch, part) : (part) => afterModelError(batch, part, result.message);
            return this.#ended(batch, fateOf);
        }
        const { model } = batch.bucket.model;
        const fault = this.#ports.batcher.checkResult(model, flight.assembled.order, result, this.#ports.arena.memory);
        if (fault !== null) {
            lease.release();
            return this.#lost(batch, `the host lied: ${fault}`);
        }
        this.#land(batch);
        this.#learn(flight, result);
        return () => {
            this.#deliver(flight, result);
        };
    }
    /** The device failed with the batch. See done. */
    lost(batchId, reason) {
        const flight = this.#take(batchId);
        if (flight === null)
            return null;
        flight.lease.release();
        return this.#lost(flight.batch, reason);
    }
    #run(batch, lease, reruns) {
        const { arena, batcher, devices, state } = this.#ports;
        const { model } = batch.bucket.model;
        const placement = { batchId: batch.id, modelKey: model.key, paddedRows: batch.paddedRows, output: lease.region };
        const assembled = batcher.assemble(model, batch.parts, placement, arena);
        this.#flights.set(batch.id, { batch, assembled, lease, reruns });
        const { budgetFactor, minBudgetMs, maxBudgetMs } = state.tuning;
        try {
            devices.get(batch.device.id).run(assembled.order, Math.min(Math.max(budgetFactor * batch.predictedMs, minBudgetMs), maxBudgetMs));
            return true;
        }
        catch (thrown) {
            this.lost(batch.id, `the device took no batch: ${thrown instanceof Error ? thrown.message : String(thrown)}`)?.();
            return false;
        }
    }
    #take(batchId) {
        const flight = this.#flights.get(batchId) ?? null;
        this.#flights.delete(batchId);
        return flight;
    }
    #land(batch) {
        land(this.#ports.state, batch, this.#ports.clock.nowMs());
    }
    #learn({ batch, assembled }, result) {
        const { inputMs, inferMs, outputMs } = result.timings;
        observe(batch.curve, batch.paddedRows, inputMs + inferMs + outputMs);
        batch.bucket.ratesVersion = -1;
        learnOutput(batch.bucket, batch.paddedRows, assembled.order.output, result);
    }
    #deliver({ batch, assembled, lease }, result) {
        const { arena, batcher, observer, settlement } = this.#ports;
        const { parts, order } = assembled;
        const { model } = batch.bucket.model;
        const { startedMs, inputMs, inferMs, outputMs } = result.timings;
        observer.batchDone({
            model: model.key, device: batch.device.id, rows: batch.rows, paddedRows: batch.paddedRows, reason: batch.reason,
            predictedMs: batch.predictedMs, inputMs, inferMs, outputMs, copiedBytes: result.copiedBytes,
        });
        const outputs = batcher.scatter(model, order, parts, result, arena.memory);
        const hold = { lease, readers: 1 };
        for (let i = 0; i < parts.length; i++) {
            const part = parts[i];
            settlement.started(part.record, batch, startedMs);
            settlement.partSucceeded(part, batch, result.timings, outputs[i], hold);
            partDone(part);
            settlement.releaseIfIdle(part.record);
        }
        dropHold(hold);
    }
    #lost(batch, reason) {
        this.#ports.observer.batchLost({ model: batch.bucket.model.model.key, device: batch.device.id, reason });
        return this.#ended(batch, (part) => afterLoss(part, batch.device.id));
    }
    /** Runs the batch again with the space that it asked for, where it was. */
    #outputSpace(flight, neededBytes, message) {
        const { arena, state, clock } = this.#ports;
        const { batch, assembled, reruns } = flight;
        if (!(neededBytes > assembled.order.output.byteLength) || !Number.isSafeInteger(neededBytes) || reruns === MAX_RERUNS) {
            return this.#lost(batch, `the host asks for ${neededBytes} bytes of output space, has ${assembled.order.output.byteLength}: ${message}`);
        }
        learnNeeded(batch.bucket, batch.paddedRows, neededBytes);
        this.#land(batch);
        const wanted = batch.device.ready && batch.parts.some(({ record }) => !record.settled);
        const lease = wanted ? arena.reserve(neededBytes) : null;
        if (lease === null)
            return this.#giveBack(batch, sameAgain);
        const again = { ...batch, id: state.nextBatchId++, slot: -1 };
        launch(state, again, clock.nowMs());
        this.#run(again, lease, reruns + 1);
        return nothing;
    }
    #capMemory({ placement, paddedRows }) {
        const { state, clock } = this.#ports;
        placement.memoryCapRows = Math.max(1, paddedRows >> 1);
        placement.memoryCapUntilMs = clock.nowMs() + state.tuning.outOfMemoryHoldMs;
    }
    /** Rows that get another try wait again at once; the others' answers follow. */
    #ended(batch, fateOf) {
        this.#land(batch);
        return this.#giveBack(batch, fateOf);
    }
    #giveBack(batch, fateOf) {
        const { state, clock, settlement } = this.#ports;
        const failures = [];
        for (const part of batch.parts) {
            const { record } = part;
            const fate = fateOf(part);
            partDone(part);
            if (!record.settled && 'retry' in fate)
                requeue(state, part, fate.retry, clock.nowMs());
            else if ('fail' in fate)
                failures.push({ part, error: fate.fail });
        }
        return () => {
            for (const { part, error } of failures)
                settlement.fail(part.record, error);
            for (const { record } of batch.parts)
                settlement.releaseIfIdle(record);
        };
    }
}
function sameAgain(part) {
    return { retry: part.history };
}
function nothing() {
    // Everything that had to be done was done at once.
}
