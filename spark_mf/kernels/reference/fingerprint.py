"""Reference implementation of `spark_mf.kernels.fingerprint` in plain NumPy; see there for arguments and results."""

import numpy as np
from numpy.typing import NDArray


def fingerprint(
    rows: NDArray[np.int32],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    values: NDArray[np.float32],
    weights: NDArray[np.float32] | None = None,
    transposed: bool = False,
) -> int:
    """Hash every (row, column, value) with whole arrays and add up."""
    first, second = np.repeat(rows, np.diff(indptr)), indices
    if transposed:
        first, second = second, first
    pairs = (first.astype(np.uint64) << np.uint64(32)) | second.astype(np.uint64)
    words = _mix(_mix(pairs) + values.view(np.uint32).astype(np.uint64))
    if weights is not None:
        words = _mix(words + weights.view(np.uint32).astype(np.uint64))
    return int(words.sum(dtype=np.uint64))


def _mix(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
