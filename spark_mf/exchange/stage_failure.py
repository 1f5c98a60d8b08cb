"""Why Spark gave a barrier stage up, in a few words instead of the pages of two stack traces."""

import re
from itertools import pairwise

_OF_A_MEMBER = re.compile(r"barrier task .*? finished unsuccessfully\.\s*(\S.*)", re.DOTALL)
_PYTHON_ENDS = " SQLSTATE: "
_PACKAGE = re.compile(r"^(?:\w+\.)+(?=\w+)")
_RING_ERROR = "RingError: "
_JAVA_CLASS = re.compile(r"^(?:\w+\.)+\w+: ")


def member_failure(message: str) -> str | None:
    """Return what the member failed with whose failure Spark reports, and the way out; None for other failures.

    Parameters
    ----------
    message : str
        Of Spark's exception for the job, with the stack traces of the worker and of the JVM.

    Returns
    -------
    the line that ends the worker's traceback, and where there is none, as of a worker that was killed, the first
    sentence of the JVM's message
    """
    found = _OF_A_MEMBER.search(message)
    if found is None:
        return None
    lines = [line for line in found[1].split(_PYTHON_ENDS)[0].splitlines() if line.strip()]
    # An error's own line is the one at the margin that follows its indented frames.
    ends = [line for before, line in pairwise(lines) if before.startswith("  ") and not line[0].isspace()]
    cause = _PACKAGE.sub("", ends[-1]) if ends else _JAVA_CLASS.sub("", lines[0]).partition(". ")[0]
    if cause.startswith(_RING_ERROR):
        return (
            f"{cause.removeprefix(_RING_ERROR).rstrip('.')}; set a larger ringTimeout where workers are only slow, or "
            "use the engine of ordinary stages where they cannot reach each other"
        )
    return f"{cause.rstrip('.')}; Spark's log says more"
