"""What a Python worker does once, before its first kernel."""

import gc

_frozen = False


def freeze_gc() -> None:
    """Keep Python's garbage collector away from what this worker has imported.

    PySpark collects garbage after every task of a reused worker, and scanning the modules of NumPy, numba and Arrow
    takes 30 to 40 ms each time: as long as a half-step over a million ratings. They are never garbage.
    """
    global _frozen
    if not _frozen:
        gc.collect()
        gc.freeze()
        _frozen = True
