"""The error for a dataset that gives other rows when Spark computes it again.

A fit reads its dataset once, but Spark computes again what it has not kept: blocks that did not fit in memory, or that
were lost with an executor. What is computed then is compared with what was counted before.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

_RULE = "The dataset must give the same rows every time it is computed"
_WAY = "Persist it, or write it to a table and fit that."
_SENTENCE = re.compile(f"{_RULE}, got [^\n]*? in another")


def changed_rows(what: str, before: int, after: int) -> ValueError:
    """Return the error for a dataset of which two passes had different numbers of something, or different ones."""
    return ValueError(_sentence(f"{before:,} {what}", f"{after:,}" if after != before else "as many others"))


def missing_rows(what: str) -> str:
    """Return the sentence on what one pass had and another has not."""
    return _sentence(what, "not all of them")


@contextmanager
def changed_rows_told() -> Iterator[None]:
    """Raise what a task or Spark itself failed with as the ValueError of this module, if that is what it was."""
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
    except Exception:  # py4j asks the JVM for the text, which may be gone
        return ""
