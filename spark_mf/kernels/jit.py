"""The one way kernels are compiled."""

from functools import partial

import numba

# nogil: tasks of one worker run kernels in threads.  cache: a fresh Python worker loads the machine code instead
# of compiling for seconds.  error_model="numpy": a division by zero gives inf or nan as in NumPy, and without
# Python's checks inner loops can be vectorised.
kernel = partial(numba.njit, nogil=True, cache=True, error_model="numpy")
