import { SluiceError } from "../errors.js";
/**
 * The permit of that id, made by the first model that declares it. Throws CONFIG_INVALID when models disagree on the limit; a
 * model that is loaded anew may bring a new one, when it is alone in the id.
 */
export function declare(permits, concurrency, { key, name }, deviceIds) {
    if (concurrency === null)
        return null;
    const { id, limit } = concurrency;
    if (deviceIds.includes(id)) {
        throw new SluiceError('CONFIG_INVALID', `${key}: concurrency_id "${id}" is the device's own, with its slots as the limit; choose another name`);
    }
    if (!Number.isSafeInteger(limit) || limit < 1)
        throw new SluiceError('CONFIG_INVALID', `${key}: concurrency_limit of "${id}" is ${limit}; it must be a whole number of at least 1`);
    const declared = permits.get(id);
    if (declared === undefined) {
        const permit = { id, limit, models: [{ key, name }], used: 0 };
        permits.set(id, permit);
        return permit;
    }
    if (declared.limit !== limit) {
        const other = declared.models.find((sharing) => sharing.name !== name);
        if (other !== undefined)
            throw new SluiceError('CONFIG_INVALID', `concurrency_id "${id}" has the limit ${declared.limit} in ${other.key} and ${limit} in ${key}; models that share an id must give one limit`);
        declared.limit = limit;
    }
    if (!declared.models.some((sharing) => sharing.key === key))
        declared.models.push({ key, name });
    return declared;
}
/** The model is gone: the last one takes the permit with it, so that the id can be declared anew. */
export function withdraw(permits, permit, model) {
    if (permit === null)
        return;
    const index = permit.models.findIndex(({ key }) => key === model);
    if (index !== -1)
        permit.models.splice(index, 1);
    if (permit.models.length === 0)
        permits.delete(permit.id);
}
export function isFree(permit) {
    return permit === null || permit.used < permit.limit;
}
