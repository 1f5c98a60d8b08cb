"""Matrix factorization on Apache Spark, in the conventions of ``pyspark.ml``.

``from spark_mf import ALS`` takes the place of ``from pyspark.ml.recommendation import ALS``; `SGD` takes the same
data and gives a model with biases; `GD` is plain gradient descent.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spark_mf.als import ALS
    from spark_mf.gd import GD
    from spark_mf.model import ALSModel, GDModel, SGDModel
    from spark_mf.sgd import SGD

__version__ = "0.1.0"

__all__ = ["ALS", "GD", "SGD", "ALSModel", "GDModel", "SGDModel", "__version__"]

_HOME_OF = {
    "ALS": "spark_mf.als",
    "ALSModel": "spark_mf.model",
    "GD": "spark_mf.gd",
    "GDModel": "spark_mf.model",
    "SGD": "spark_mf.sgd",
    "SGDModel": "spark_mf.model",
}


def __getattr__(name: str) -> Any:
    """Import the public classes on first use (PEP 562).

    Tests of the kernels and tools that read result rows need no Spark; they should not pay for importing it.
    """
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
