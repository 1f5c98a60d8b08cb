"""Matrix factorization on Apache Spark, in the conventions of ``pyspark.ml``.

``from spark_mf import ALS`` replaces ``from pyspark.ml.recommendation import ALS``. `SGD` takes the same data and fits
a model with biases; `GD` is full-batch gradient descent. `lay_out_ratings` and `partition_ratings` prepare ratings
once, in memory or in a folder, for any number of fits.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spark_mf.version import __version__

if TYPE_CHECKING:
    from spark_mf.als import ALS
    from spark_mf.fitting.progress import show_progress
    from spark_mf.gd import GD
    from spark_mf.model import ALSModel, GDModel, SGDModel
    from spark_mf.ratings.base import LaidOutRatings
    from spark_mf.ratings.folder import PartitionedRatings
    from spark_mf.ratings.folder_writing import partition_ratings
    from spark_mf.ratings.in_memory import lay_out_ratings
    from spark_mf.sgd import SGD

__all__ = [
    "ALS",
    "GD",
    "SGD",
    "ALSModel",
    "GDModel",
    "LaidOutRatings",
    "PartitionedRatings",
    "SGDModel",
    "__version__",
    "lay_out_ratings",
    "partition_ratings",
    "show_progress",
]

_HOME_OF = {
    "ALS": "spark_mf.als",
    "ALSModel": "spark_mf.model",
    "GD": "spark_mf.gd",
    "GDModel": "spark_mf.model",
    "LaidOutRatings": "spark_mf.ratings.base",
    "PartitionedRatings": "spark_mf.ratings.folder",
    "SGD": "spark_mf.sgd",
    "SGDModel": "spark_mf.model",
    "lay_out_ratings": "spark_mf.ratings.in_memory",
    "partition_ratings": "spark_mf.ratings.folder_writing",
    "show_progress": "spark_mf.fitting.progress",
}


def __getattr__(name: str) -> Any:
    """Return a public name, importing it on first use (PEP 562).

    Code that does not use Spark, such as the kernels and tools that read result rows, does not import it.
    """
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
