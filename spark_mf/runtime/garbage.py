"""What a Python worker does once, before its first kernel."""

import gc

_settled = False


def settle() -> None:
    """Keep Python's garbage collector away from what this worker has imported.

    PySpark collects garbage after every task of a reused worker, and scanning the modules of NumPy, numba and Arrow
    takes 30 to 40 ms each time: as long as a half-step over a million ratings. They are never garbage.
    """
    global _settled
    if not _settled:
        gc.collect()
        gc.freeze()
        _settled = True
