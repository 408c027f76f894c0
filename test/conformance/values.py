"""For each datatype: numpy's type, and values that are easy to get wrong (extremes, signs, not-a-number, empty strings)."""

import numpy as np

DATATYPES = {
    "BOOL": np.array([[True, False, True, True]]),
    "UINT8": np.array([[0, 1, 128, 255]], np.uint8),
    "UINT16": np.array([[0, 1, 32768, 65535]], np.uint16),
    "UINT32": np.array([[0, 1, 2**31, 2**32 - 1]], np.uint32),
    "UINT64": np.array([[0, 1, 2**53 + 1, 2**64 - 1]], np.uint64),
    "INT8": np.array([[-128, -1, 0, 127]], np.int8),
    "INT16": np.array([[-32768, -1, 0, 32767]], np.int16),
    "INT32": np.array([[-(2**31), -1, 0, 2**31 - 1]], np.int32),
    "INT64": np.array([[-(2**63), -(2**53) - 1, 0, 2**63 - 1]], np.int64),
    "FP16": np.array([[-65504, 6e-8, 0.333, np.inf]], np.float16),
    "FP32": np.array([[np.float32(0.1), -1e-45, 3.4028235e38, np.nan]], np.float32),
    "FP64": np.array([[0.1, -5e-324, 1.7976931348623157e308, -np.inf]], np.float64),
    "BYTES": np.array([[b"", "zażółć 🐍".encode(), b"plain", b'quote " and \\ and \n']], object),
}

FINITE = {
    **DATATYPES,
    "FP32": np.array([[np.float32(0.1), -1e-45, 3.4028235e38, -0.0]], np.float32),
    "FP64": np.array([[0.1, -5e-324, 1.7976931348623157e308, -0.0]], np.float64),
}


def same(left, right):
    """Bit for bit, with NaN equal to NaN."""
    if left.dtype == object or right.dtype == object:
        return left.shape == right.shape and [_bytes(x) for x in left.ravel()] == [_bytes(x) for x in right.ravel()]
    return left.dtype == right.dtype and left.shape == right.shape and np.array_equal(left, right, equal_nan=left.dtype.kind == "f")


def _bytes(element):
    """Elements that came as JSON are text, those that came as binary are bytes."""
    return element.encode() if isinstance(element, str) else bytes(element)


def model(datatype):
    return f"identity_{datatype.lower()}"
