"""Reference implementation of `spark_mf.kernels.repeats` in plain NumPy; see there for arguments and results."""

import numpy as np
from numpy.typing import NDArray


def mark_repeats(
    user_codes: NDArray[np.int32], user_counts: NDArray[np.int64], item_codes: NDArray[np.int32], n_items: int
) -> NDArray[np.bool_]:
    """Mark every rating whose pair `np.unique` finds more than once."""
    pairs = user_codes.astype(np.int64) * n_items + item_codes
    _, codes, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    return counts[codes] > 1
