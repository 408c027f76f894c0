export const ERROR_TABLE = {
    BAD_REQUEST: { status: 400, retryable: false, meaning: 'the request is malformed' },
    BAD_JSON: { status: 400, retryable: false, meaning: 'the body is not the JSON that the protocol asks for' },
    BAD_TENSOR: { status: 400, retryable: false, meaning: 'a tensor does not fit what the model declares' },
    BAD_HEADER: { status: 400, retryable: false, meaning: 'a header has a value that is not allowed' },
    UNKNOWN_MODEL: { status: 404, retryable: false, meaning: 'no model of this name, or not in this version' },
    UNKNOWN_REQUEST: { status: 404, retryable: false, meaning: 'no request of this id, or its events are no longer kept' },
    UNKNOWN_ROUTE: { status: 404, retryable: false, meaning: 'no such path' },
    METHOD_NOT_ALLOWED: { status: 405, retryable: false, meaning: 'the path exists, but not with this verb' },
    REQUEST_TIMEOUT: { status: 408, retryable: true, meaning: 'the body did not arrive in time' },
    DUPLICATE_ID: { status: 409, retryable: false, meaning: 'a request with this id is still running' },
    TOO_LARGE: { status: 413, retryable: false, meaning: 'the body, or one tensor, is larger than allowed' },
    UNSUPPORTED_ENCODING: { status: 415, retryable: false, meaning: 'a content encoding that is not supported' },
    MODEL_FAILED: { status: 422, retryable: false, meaning: 'the model itself rejected the input' },
    TOO_MANY_REQUESTS: { status: 429, retryable: true, meaning: 'this caller is over its share' },
    CANCELLED: { status: 499, retryable: false, meaning: 'the client went away before the answer' },
    NOT_SUPPORTED: { status: 501, retryable: false, meaning: 'this part of the protocol is not offered' },
    OVERLOADED: { status: 503, retryable: true, meaning: 'more work waits than can be done in time' },
    NOT_READY: { status: 503, retryable: true, meaning: 'the model, or the server, is not ready' },
    MODEL_UNAVAILABLE: { status: 503, retryable: false, meaning: 'the model could not be loaded' },
    STOPPING: { status: 503, retryable: true, meaning: 'the server is stopping' },
    DEVICE_LOST: { status: 503, retryable: true, meaning: 'the device failed while it ran the request, and a retry failed too' },
    MODEL_LOAD_FAILED: { status: 503, retryable: false, meaning: 'a device could not load the model' },
    DEADLINE_PASSED: { status: 504, retryable: true, meaning: 'the deadline passed before the work was done' },
    CONFIG_INVALID: { status: 500, retryable: false, meaning: 'a setting is wrong; the server does not start' },
    INTERNAL: { status: 500, retryable: false, meaning: 'a bug in Sluice' },
};
/** What a 429 or 503 says when nobody could predict better. What trying again does not mend needs a person, who takes a minute. */
const UNKNOWN_RETRY_MS = { retryable: 1_000, other: 60_000 };
function unknownRetryMs(code) {
    const { status, retryable } = ERROR_TABLE[code];
    if (status !== 429 && status !== 503)
        return null;
    return retryable ? UNKNOWN_RETRY_MS.retryable : UNKNOWN_RETRY_MS.other;
}
export class SluiceError extends Error {
    name = 'SluiceError';
    code;
    retryAfterMs;
    constructor(code, message, options = {}) {
        super(message, options.cause === undefined ? undefined : { cause: options.cause });
        this.code = code;
        this.retryAfterMs = options.retryAfterMs ?? unknownRetryMs(code);
    }
    get status() {
        return ERROR_TABLE[this.code].status;
    }
    get retryable() {
        return ERROR_TABLE[this.code].retryable;
    }
}
/** Anything thrown, as a SluiceError. What is not one is a bug of ours: INTERNAL, with the cause kept for the log. */
export function toSluiceError(thrown) {
    if (thrown instanceof SluiceError)
        return thrown;
    return new SluiceError('INTERNAL', 'internal error; the server log has the details', { cause: thrown });
}
