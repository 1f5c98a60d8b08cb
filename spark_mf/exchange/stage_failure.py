"""The cause of a failed barrier stage, extracted from the stack traces in Spark's error message."""

import re
from itertools import pairwise

_OF_A_MEMBER = re.compile(r"barrier task .*? finished unsuccessfully\.\s*(\S.*)", re.DOTALL)
_PYTHON_ENDS = " SQLSTATE: "
_PACKAGE = re.compile(r"^(?:\w+\.)+(?=\w+)")
_RING_ERROR = "RingError: "
_JAVA_CLASS = re.compile(r"^(?:\w+\.)+\w+: ")


def member_failure(message: str) -> str | None:
    """Return the error of the failed barrier task and how to fix it; None for failures of other kinds.

    Parameters
    ----------
    message : str
        Message of Spark's exception for the job, with the stack traces of the worker and of the JVM.

    Returns
    -------
    str or None
        Contains the last line of the worker's traceback or, if the worker was killed and there is none, the first
        sentence of the JVM's message.
    """
    found = _OF_A_MEMBER.search(message)
    if found is None:
        return None
    lines = [line for line in found[1].split(_PYTHON_ENDS)[0].splitlines() if line.strip()]
    # The line of an error is the first line without indentation after the indented frames.
    ends = [line for before, line in pairwise(lines) if before.startswith("  ") and not line[0].isspace()]
    cause = _PACKAGE.sub("", ends[-1]) if ends else _JAVA_CLASS.sub("", lines[0]).partition(". ")[0]
    if cause.startswith(_RING_ERROR):
        return (
            f"{cause.removeprefix(_RING_ERROR).rstrip('.')}. Set a larger ringTimeout if workers are slow, or use the "
            "engine of ordinary stages if they cannot connect to each other."
        )
    return f"{cause.rstrip('.')}. See Spark's log for details."
