import { describe, expect, it } from 'vitest';
import { type AdmissionDecision, type AdmissionRequest, type AdmissionState, decideAdmission, DEFAULT_LIMITS } from '../../../src/admission/policy.ts';

const MIB = 1024 * 1024;
const NOW_MS = 10_000;

const LIMITS = { ...DEFAULT_LIMITS, maxBodyBytes: MIB, maxRequestsPerModel: 500, maxRequests: 1_000, maxRequestsPerCaller: 3 };

const CALM: AdmissionState = {
  stopping: false,
  modelRequests: 10,
  callerRequests: 0,
  requests: 10,
  bodyBytes: 10_000,
  arena: { totalBytes: 100 * MIB, usedBytes: 0, leases: 0 },
  queueEmpty: false,
  waitMs: 20,
  unsureMs: 0,
  serviceMs: 5,
};

const REQUEST: AdmissionRequest = { modelName: 'text', contentLength: 1_000, deadlineMs: Infinity };

function decide(state: Partial<AdmissionState>, request: Partial<AdmissionRequest> = {}): AdmissionDecision {
  return decideAdmission(LIMITS, { ...CALM, ...state }, { ...REQUEST, ...request }, NOW_MS);
}

describe('decideAdmission', () => {
  it('admits when nothing speaks against it', () => {
    expect(decide({})).toEqual({ admitted: true });
  });

  it.each<[string, Partial<AdmissionState>, Partial<AdmissionRequest>, string, RegExp]>([
    ['a stopping server', { stopping: true }, {}, 'STOPPING', /stopping/],
    ['a body over the limit', {}, { contentLength: MIB + 1 }, 'TOO_LARGE', /1048577 bytes, and 1048576/],
    ['a deadline that has passed', {}, { deadlineMs: NOW_MS }, 'DEADLINE_PASSED', /deadline/],
    ['a caller at its cap', { callerRequests: 3 }, {}, 'TOO_MANY_REQUESTS', /3 requests/],
    ['a model at its bound', { modelRequests: 500 }, {}, 'OVERLOADED', /model 'text' has 500/],
    ['a server at its bound', { requests: 1_000 }, {}, 'OVERLOADED', /the server has 1000/],
    ['an arena full of tensors', { arena: { totalBytes: 100 * MIB, usedBytes: 90 * MIB, leases: 9 } }, {}, 'OVERLOADED', /memory/],
    ['an arena that bodies on their way will fill', { bodyBytes: 90 * MIB }, {}, 'OVERLOADED', /memory/],
    ['a wait that leaves too little of the deadline', { waitMs: 81 }, { deadlineMs: NOW_MS + 100 }, 'OVERLOADED', /wait 81 ms, and its deadline is in 100 ms/],
    ['a wait that may be twice as long', { waitMs: 45, unsureMs: 45 }, { deadlineMs: NOW_MS + 100 }, 'OVERLOADED', /wait 45 ms, and its deadline is in 100 ms/],
    ['a batch that takes longer than the deadline', { waitMs: 0, serviceMs: 90 }, { deadlineMs: NOW_MS + 100 }, 'OVERLOADED', /its deadline is in 100 ms/],
    ['a long wait with many in', { waitMs: 251, modelRequests: 256 }, {}, 'OVERLOADED', /wait 251 ms, and 250 ms/],
  ])('refuses for %s', (_case, state, request, code, message) => {
    const decision = decide(state, request);
    expect(decision).toMatchObject({ admitted: false, code });
    expect(decision.admitted ? '' : decision.message).toMatch(message);
  });

  it.each<[string, Partial<AdmissionState>, Partial<AdmissionRequest>]>([
    ['a body at the limit', {}, { contentLength: MIB }],
    ['a body of unknown length', {}, { contentLength: null }],
    ['a wait that leaves time for a batch, and some to spare', { waitMs: 80 }, { deadlineMs: NOW_MS + 100 }],
    ['any wait of an empty queue', { queueEmpty: true, waitMs: 5_000, modelRequests: 400 }, { deadlineMs: NOW_MS + 1 }],
    ['a long wait with few in, no deadline near', { waitMs: 5_000, modelRequests: 255 }, {}],
    ['the only request, in an arena that outputs fill', { requests: 0, modelRequests: 0, arena: { totalBytes: 100 * MIB, usedBytes: 95 * MIB, leases: 1 } }, {}],
  ])('admits %s', (_case, state, request) => {
    expect(decide(state, request)).toEqual({ admitted: true });
  });

  it('says to come back when what waits is done, and not before 50 ms', () => {
    expect(decide({ waitMs: 400, modelRequests: 300 })).toMatchObject({ retryAfterMs: 400 });
    expect(decide({ waitMs: 2, requests: 1_000 })).toMatchObject({ retryAfterMs: 50 });
  });

  it.each([
    [{}, { contentLength: 2 * MIB }],
    [{}, { deadlineMs: NOW_MS - 1 }],
  ])('gives no time to retry what will not get better', (state, request) => {
    expect(decide(state, request)).toMatchObject({ admitted: false, retryAfterMs: null });
  });

  it('has no cap per caller by default', () => {
    expect(decideAdmission(DEFAULT_LIMITS, { ...CALM, callerRequests: 1e6 }, REQUEST, NOW_MS)).toEqual({ admitted: true });
  });
});
