"""What Spark's UI says of the jobs of a fit."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyspark import SparkContext

_DESCRIPTION = "spark.job.description"


@contextmanager
def job_description(context: SparkContext, description: str) -> Iterator[None]:
    """Describe the jobs that this thread starts inside; afterwards the caller's own description holds again."""
    context_of_any: Any = context  # pyspark's types do not know that None removes a property
    before = context.getLocalProperty(_DESCRIPTION)
    context.setLocalProperty(_DESCRIPTION, description)
    try:
        yield
    finally:
        context_of_any.setLocalProperty(_DESCRIPTION, before)
