"""The one way kernels are compiled."""

import os
import tempfile
from functools import partial
from typing import Any

import numba

# numba keeps machine code beside the sources or, where it may not write there, in the home folder.  The user
# of a container often has neither, and then numba refuses to import the kernels at all.
_FOLDERS = (os.path.dirname(__file__), os.path.expanduser("~"))
_config: Any = numba.config
if not _config.CACHE_DIR and not any(os.access(folder, os.W_OK) for folder in _FOLDERS):
    _config.CACHE_DIR = tempfile.mkdtemp(prefix="spark_mf-numba-")

# nogil: tasks of one worker run kernels in threads.  cache: a fresh Python worker loads the machine code
# instead of compiling for seconds.  error_model="numpy": a division by zero gives inf or nan as in NumPy, and
# without Python's checks inner loops can be vectorised.
kernel = partial(numba.njit, nogil=True, cache=True, error_model="numpy")
