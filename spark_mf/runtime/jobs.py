"""Job descriptions in Spark's UI."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyspark import SparkContext

_DESCRIPTION = "spark.job.description"


@contextmanager
def job_description(context: SparkContext, description: str) -> Iterator[None]:
    """Set the description of the jobs that this thread starts in the context; restore the caller's afterwards."""
    context_of_any: Any = context  # pyspark's type hints do not allow None, which removes a property
    before = context.getLocalProperty(_DESCRIPTION)
    context.setLocalProperty(_DESCRIPTION, description)
    try:
        yield
    finally:
        context_of_any.setLocalProperty(_DESCRIPTION, before)
