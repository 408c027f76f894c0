/**
 * What becomes of rows whose batch did not answer. A neighbour's bad input must not cost anybody else an answer, and rows that
 * kill a device must not do it a third time: each part is tried again once, alone, and then the guilty one is known.
 */
import { SluiceError } from "../errors.js";
/** The model's message is for the client: its first line, without the host's paths. */
const MAX_MESSAGE = 300;
/** The device died, was killed at its budget, or lied. */
export function afterLoss(part, device) {
    if (part.history.losses === 0)
        return { retry: { losses: 1, alone: true } };
    return { fail: new SluiceError('DEVICE_LOST', `${device} failed while it ran this request, and so did the device of the first try`) };
}
/** The model refused the batch: with several jobs in it, any one may be to blame. */
export function afterModelError(batch, part, message) {
    if (batch.parts.some(({ record }) => record !== part.record))
        return { retry: { losses: part.history.losses, alone: true } };
    return { fail: new SluiceError('MODEL_FAILED', `${batch.bucket.model.model.name} failed on this input: ${shorten(message)}`) };
}
/** Device memory ran out. A larger batch is halved (see Placement.memoryCapRows); a single row goes once to another device, if there is one. */
export function afterOutOfMemory(batch, part) {
    if (batch.rows > 1)
        return { retry: part.history };
    const elsewhere = batch.bucket.model.placements.some(({ device }) => device !== batch.device && device.ready);
    if (elsewhere && part.history.losses === 0)
        return { retry: { losses: 1, alone: true } };
    return { fail: new SluiceError('OVERLOADED', `${batch.device.id} has not enough memory for this input`) };
}
function shorten(message) {
    const line = (message.split('\n', 1)[0] ?? '').replaceAll(/(?:\/[\w.+@-]+){2,}/g, '…');
    return line.length <= MAX_MESSAGE ? line : `${line.slice(0, MAX_MESSAGE)}…`;
}
