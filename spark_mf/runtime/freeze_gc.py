"""Exclusion of imported modules from garbage collection in Python workers."""

import gc

_frozen = False


def freeze_gc() -> None:
    """Exclude all modules that this worker has imported from garbage collection.

    PySpark collects garbage after every task of a reused worker. Scanning the modules of NumPy, numba and Arrow, which
    are never garbage, takes 30 to 40 ms each time: as long as a half-step over a million ratings.
    """
    global _frozen
    if not _frozen:
        gc.collect()
        gc.freeze()
        _frozen = True
