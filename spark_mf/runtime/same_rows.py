"""The error for a dataset whose rows change when Spark recomputes it.

A fit reads its dataset once, but Spark recomputes blocks that did not fit in memory or were lost with an executor. The
recomputed blocks are compared with the counts of the first pass.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

_RULE = "The dataset must give the same rows every time it is computed"
_WAY = "Persist it, or write it to a table and fit that."
_SENTENCE = re.compile(f"{_RULE}, got [^\n]*? in another")


def changed_rows(what: str, before: int, after: int) -> ValueError:
    """Return the error for a dataset whose rows or their number differ between two passes."""
    return ValueError(_sentence(f"{before:,} {what}", f"{after:,}" if after != before else "as many others"))


def missing_rows(what: str) -> str:
    """Return the error message for rows that are missing in a later pass."""
    return _sentence(what, "not all of them")


@contextmanager
def changed_rows_told() -> Iterator[None]:
    """Raise failures of tasks and of Spark that this module's error caused as that ValueError."""
    try:
        yield
    except Exception as error:
        sentence = _SENTENCE.search(_text(error))
        if sentence is None or type(error) is ValueError:
            raise
        raise ValueError(f"{sentence[0]}. {_WAY}") from None


def _sentence(one: str, other: str) -> str:
    return f"{_RULE}, got {one} in one pass and {other} in another. {_WAY}"


def _text(error: Exception) -> str:
    try:
        return str(error)
    except Exception:  # py4j asks the JVM for the text, and the JVM may have terminated
        return ""
