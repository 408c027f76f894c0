/** Triton's four reasons of nv_inference_request_failure, from our codes. */
import type { ErrorCode } from '../errors.ts';

export const FAILURE_REASONS = ['REJECTED', 'CANCELED', 'BACKEND', 'OTHER'] as const;
export type FailureReason = (typeof FAILURE_REASONS)[number];

/**
 * REJECTED: not taken, or dropped before it ran. CANCELED: the client left. BACKEND: model or device failed.
 * OTHER: the request was wrong, or we were.
 */
export const FAILURE_REASON_OF: Readonly<Record<ErrorCode, FailureReason>> = {
  BAD_REQUEST: 'OTHER',
  BAD_JSON: 'OTHER',
  BAD_TENSOR: 'OTHER',
  BAD_HEADER: 'OTHER',
  UNKNOWN_MODEL: 'OTHER',
  UNKNOWN_REQUEST: 'OTHER',
  UNKNOWN_ROUTE: 'OTHER',
  METHOD_NOT_ALLOWED: 'OTHER',
  REQUEST_TIMEOUT: 'OTHER',
  DUPLICATE_ID: 'OTHER',
  TOO_LARGE: 'REJECTED',
  UNSUPPORTED_ENCODING: 'OTHER',
  MODEL_FAILED: 'BACKEND',
  TOO_MANY_REQUESTS: 'REJECTED',
  CANCELLED: 'CANCELED',
  NOT_SUPPORTED: 'OTHER',
  OVERLOADED: 'REJECTED',
  NOT_READY: 'REJECTED',
  MODEL_UNAVAILABLE: 'REJECTED',
  STOPPING: 'REJECTED',
  DEVICE_LOST: 'BACKEND',
  MODEL_LOAD_FAILED: 'BACKEND',
  DEADLINE_PASSED: 'REJECTED',
  CONFIG_INVALID: 'OTHER',
  INTERNAL: 'OTHER',
};
