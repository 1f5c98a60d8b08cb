"""The Params that only the ALS estimator has, and the checks of its values."""

from typing import Any, Self

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.recommendation import _ALSParams as _SparkALSParams

from spark_mf.params.alternating import _AlternatingParams, validate_alternating_params
from spark_mf.params.factorization import require_below_one, require_choice, require_positive

SOLVERS = ("cholesky", "cg", "gd")


class _ALSParams(_AlternatingParams, _SparkALSParams):  # type: ignore[misc]  # numbers of blocks may be None here
    """All Params of pyspark's ALS, and those that only spark_mf has."""

    solver: Param[str] = Param(
        Params._dummy(),
        "solver",
        "how a row's normal equations are solved. 'cholesky': exactly; 'cg' and 'gd': by innerSteps steps of conjugate "
        "gradients, or of gradient descent with exact line search, from the row's previous factors.",
        typeConverter=TypeConverters.toString,
    )
    innerSteps: Param[int] = Param(
        Params._dummy(),
        "innerSteps",
        "the most steps of an iterative solver per row and half-step (> 0); the exact solver 'cholesky' takes none.",
        typeConverter=TypeConverters.toInt,
    )
    innerTol: Param[float] = Param(
        Params._dummy(),
        "innerTol",
        "an iterative solver ends with a row once its gradient is at most this times as long as at the start of the "
        "half-step (in [0, 1)); 0 for never, so that every row takes innerSteps steps.",
        typeConverter=TypeConverters.toFloat,
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._setDefault(solver="cholesky", innerSteps=3, innerTol=0.0)

    def getSolver(self) -> str:
        """Return the name of the solver of a row's normal equations."""
        return self.getOrDefault(self.solver)

    def getInnerSteps(self) -> int:
        """Return the most steps of an iterative solver."""
        return self.getOrDefault(self.innerSteps)

    def getInnerTol(self) -> float:
        """Return the part of its first gradient's length at which an iterative solver ends with a row."""
        return self.getOrDefault(self.innerTol)

    def setImplicitPrefs(self, value: bool | None) -> Self:
        """Set whether ratings are implicit preferences (not built yet)."""
        return self._set(implicitPrefs=value)

    def setAlpha(self, value: float | None) -> Self:
        """Set the confidence of implicit preferences (not built yet)."""
        return self._set(alpha=value)

    def setNonnegative(self, value: bool | None) -> Self:
        """Set whether factors must not be negative (not built yet)."""
        return self._set(nonnegative=value)

    def setSolver(self, value: str | None) -> Self:
        """Set the solver of a row: "cholesky", "cg" or "gd"."""
        return self._set(solver=value)

    def setInnerSteps(self, value: int | None) -> Self:
        """Set the most steps of an iterative solver."""
        return self._set(innerSteps=value)

    def setInnerTol(self, value: float | None) -> Self:
        """Set the part of its first gradient's length at which an iterative solver ends with a row; 0 for never."""
        return self._set(innerTol=value)


def validate_als_params(instance: _ALSParams) -> None:
    """Refuse every Param value that a fit cannot use, before any Spark job.

    Raises
    ------
    ValueError
        For a value outside its range or choices; the sentence names the Param, the value and what is allowed.
    NotImplementedError
        For what pyspark's ALS does and this estimator does not do yet.
    """
    validate_alternating_params(instance)
    require_positive("innerSteps", instance.getInnerSteps())
    require_below_one("innerTol", instance.getInnerTol())
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
