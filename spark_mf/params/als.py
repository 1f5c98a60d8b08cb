"""Params of the ALS estimator and their validation."""

from typing import Any, Self

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.recommendation import _ALSParams as _SparkALSParams

from spark_mf.params.alternating import _AlternatingParams, validate_alternating_params
from spark_mf.params.factorization import require_below_one, require_choice, require_positive

SOLVERS = ("cholesky", "cg", "gd")


class _ALSParams(_AlternatingParams, _SparkALSParams):  # type: ignore[misc]  # numbers of blocks may be None here
    """All Params of pyspark's ALS, and the ones that only spark_mf has."""

    solver: Param[str] = Param(
        Params._dummy(),
        "solver",
        "solver of a row's normal equations. 'cholesky' solves them exactly; 'cg' and 'gd' take innerSteps steps of "
        "conjugate gradients or of gradient descent with exact line search, starting from the row's previous factors.",
        typeConverter=TypeConverters.toString,
    )
    innerSteps: Param[int] = Param(
        Params._dummy(),
        "innerSteps",
        "maximum number of steps of an iterative solver per row and half-step (>= 1). The exact solver 'cholesky' "
        "ignores it.",
        typeConverter=TypeConverters.toInt,
    )
    innerTol: Param[float] = Param(
        Params._dummy(),
        "innerTol",
        "relative tolerance of an iterative solver, in [0, 1): it stops for a row once the norm of the row's gradient "
        "is at most this fraction of its norm at the start of the half-step. With 0 every row takes innerSteps steps.",
        typeConverter=TypeConverters.toFloat,
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._setDefault(solver="cholesky", innerSteps=3, innerTol=0.0)

    def getSolver(self) -> str:
        """Return the name of the solver of a row's normal equations."""
        return self.getOrDefault(self.solver)

    def getInnerSteps(self) -> int:
        """Return the maximum number of steps of an iterative solver."""
        return self.getOrDefault(self.innerSteps)

    def getInnerTol(self) -> float:
        """Return the relative tolerance of an iterative solver."""
        return self.getOrDefault(self.innerTol)

    def setImplicitPrefs(self, value: bool | None) -> Self:
        """Set whether ratings are implicit preferences (not supported yet)."""
        return self._set(implicitPrefs=value)

    def setAlpha(self, value: float | None) -> Self:
        """Set the confidence scale of implicit preferences (not supported yet)."""
        return self._set(alpha=value)

    def setNonnegative(self, value: bool | None) -> Self:
        """Set whether factors are constrained to be nonnegative (not supported yet)."""
        return self._set(nonnegative=value)

    def setSolver(self, value: str | None) -> Self:
        """Set the solver of a row: "cholesky", "cg" or "gd"."""
        return self._set(solver=value)

    def setInnerSteps(self, value: int | None) -> Self:
        """Set the maximum number of steps of an iterative solver."""
        return self._set(innerSteps=value)

    def setInnerTol(self, value: float | None) -> Self:
        """Set the relative tolerance of an iterative solver; 0 disables it."""
        return self._set(innerTol=value)


def validate_als_params(instance: _ALSParams) -> None:
    """Raise an error unless every Param has a valid value; runs no Spark job.

    Raises
    ------
    ValueError
        If a value is outside its range or choices.
    NotImplementedError
        If a value requests a feature of pyspark's ALS that is not supported yet.
    """
    validate_alternating_params(instance)
    require_positive("innerSteps", instance.getInnerSteps())
    require_below_one("innerTol", instance.getInnerTol())
    require_choice("solver", instance.getSolver(), SOLVERS)
    supported = {
        "implicitPrefs": (instance.getImplicitPrefs(), False),
        "nonnegative": (instance.getNonnegative(), False),
        # alpha applies to implicit preferences only, so setting it shows that the caller expects them.
        "alpha": (instance.getAlpha(), 1.0),
    }
    for name, (value, only) in supported.items():
        if value != only:
            raise NotImplementedError(
                f"{name} must be {only}, got {value}. spark_mf.ALS does not support other values yet; use "
                "pyspark.ml.recommendation.ALS instead."
            )
