"""The Params that only the ALS estimator has, and the checks of its values."""

from typing import Any, Self

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.recommendation import _ALSParams as _SparkALSParams

from spark_mf.params import (
    _FactorizationParams,
    require_choice,
    require_positive,
    validate_factorization_params,
)

SOLVERS = ("cholesky", "cg")
ENGINES = ("auto", "broadcast", "ring")


class _ALSParams(_FactorizationParams, _SparkALSParams):
    """All Params of pyspark's ALS, and those that only spark_mf has."""

    solver: Param[str] = Param(
        Params._dummy(),
        "solver",
        "how a row's normal equations are solved. 'cholesky': exactly; "
        "'cg': by innerSteps steps of conjugate gradients from the row's previous factors.",
        typeConverter=TypeConverters.toString,
    )
    innerSteps: Param[int] = Param(
        Params._dummy(),
        "innerSteps",
        "steps of an iterative solver per row and half-step (> 0); the exact solver 'cholesky' takes none.",
        typeConverter=TypeConverters.toInt,
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._setDefault(solver="cholesky", innerSteps=3)

    def getSolver(self) -> str:
        """Return the name of the solver of a row's normal equations."""
        return self.getOrDefault(self.solver)

    def getInnerSteps(self) -> int:
        """Return the number of steps of an iterative solver."""
        return self.getOrDefault(self.innerSteps)

    def setImplicitPrefs(self, value: bool) -> Self:
        """Set whether ratings are implicit preferences (not built yet)."""
        return self._set(implicitPrefs=value)

    def setAlpha(self, value: float) -> Self:
        """Set the confidence of implicit preferences (not built yet)."""
        return self._set(alpha=value)

    def setNonnegative(self, value: bool) -> Self:
        """Set whether factors must not be negative (not built yet)."""
        return self._set(nonnegative=value)

    def setSolver(self, value: str) -> Self:
        """Set the solver of a row: "cholesky" or "cg"."""
        return self._set(solver=value)

    def setInnerSteps(self, value: int) -> Self:
        """Set the steps of an iterative solver."""
        return self._set(innerSteps=value)


def validate_als_params(instance: _ALSParams) -> None:
    """Refuse every Param value that a fit cannot use, before any Spark job.

    Raises
    ------
    ValueError
        For a value outside its range or choices; the sentence names the Param, the value and what is allowed.
    NotImplementedError
        For what pyspark's ALS does and this estimator does not do yet.
    """
    validate_factorization_params(instance, ENGINES)
    require_positive("innerSteps", instance.getInnerSteps())
    require_choice("solver", instance.getSolver(), SOLVERS)
    unbuilt = {
        "implicitPrefs=True": instance.getImplicitPrefs(),
        "nonnegative=True": instance.getNonnegative(),
        # alpha only means something to implicit preferences; setting it says that they were expected.
        f"alpha={instance.getAlpha()}": instance.getAlpha() != 1.0,
    }
    for setting, is_asked in unbuilt.items():
        if is_asked:
            raise NotImplementedError(
                f"{setting} is not built into spark_mf.ALS yet: use pyspark.ml.recommendation.ALS for it"
            )
