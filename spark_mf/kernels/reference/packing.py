"""Reference implementation of `spark_mf.kernels.packing` in plain NumPy; see there for arguments and results."""

import numpy as np
from numpy.typing import NDArray


def encode_values(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    distinct, first, inverse = np.unique(values.view(np.uint32), return_index=True, return_inverse=True)
    if distinct.size > 256:
        return np.empty(0, np.float32), np.empty(0, np.uint8)
    appearance = np.argsort(first)
    code = np.argsort(appearance).astype(np.uint8)
    return distinct[appearance].view(np.float32), code[inverse]


def decode_values(table: NDArray[np.float32], codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    return table[codes]


def split_indices(indices: NDArray[np.int32]) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    return (indices % 65_536).astype(np.uint16), (indices // 65_536).astype(np.uint8)


def join_indices(low: NDArray[np.uint16], high: NDArray[np.uint8]) -> NDArray[np.int32]:
    return high.astype(np.int32) * 65_536 + low.astype(np.int32)
