"""The one way kernels are compiled."""

import hashlib
import logging
import os
import stat
import sys
import tempfile
from functools import cache, partial
from typing import Any

import numba

from spark_mf.version import __version__

_config: Any = numba.config


def _cache_folder() -> str | None:
    """Return folder for machine code where numba finds none; None where numba has one, or none can be made.

    numba keeps machine code beside the sources or, where it may not write there, in the home folder. The user of a
    container often has neither, and then numba refuses to import the kernels at all. A folder of a known name below
    the temporary folder serves all processes of this user: those that run now and those to come.
    """
    if _numba_can_cache():
        return None
    version = "/".join((__version__, numba.__version__, sys.implementation.cache_tag or sys.version))
    try:
        owner = os.getuid() if hasattr(os, "getuid") else 0
        name = f"spark_mf-numba-{owner}-{hashlib.sha256(version.encode()).hexdigest()[:12]}"
        folder = _private_folder(os.path.join(tempfile.gettempdir(), name), owner)
    except OSError:
        return None
    _config.CACHE_DIR = folder
    return folder


def _numba_can_cache() -> bool:
    def probe() -> None:
        """Only numba knows every folder that it tries; it looks for one when a function is decorated."""

    try:
        numba.njit(cache=True)(probe)
    except RuntimeError:
        return False
    return True


def _private_folder(folder: str, owner: int) -> str:
    """Make a folder that nobody else can write to, or take it if it is there; where it is not safe, make another one.

    Machine code is run, so whoever can write it can do whatever this user can.
    """
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        found = os.lstat(folder)
        # Not through a link, which somebody else may have made.
        is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == owner
        if not is_ours or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            return tempfile.mkdtemp(prefix=f"{os.path.basename(folder)}-")
    return folder


_FOLDER = _cache_folder()


@cache
def report_cache() -> None:
    """Log once where this process keeps machine code, if that is neither beside the sources nor in the home folder."""
    if _FOLDER is not None:
        logging.getLogger("spark_mf").info(
            "Compiled kernels are kept in %s, because neither the package's folder nor the home folder can be written. "
            "Set NUMBA_CACHE_DIR to keep them elsewhere.",
            _FOLDER,
        )


# nogil: tasks of one worker run kernels in threads.  cache: a fresh Python worker loads the machine code
# instead of compiling for seconds, where there is any folder for it.  error_model="numpy": a division by zero gives
# inf or nan as in NumPy, and without Python's checks inner loops can be vectorised.
kernel = partial(numba.njit, nogil=True, cache=_numba_can_cache(), error_model="numpy")
