"""Params of the ALS estimator and their validation."""

from typing import Any, Self

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.recommendation import _ALSParams as _SparkALSParams

from spark_mf.params.alternating import _AlternatingParams, validate_alternating_params
from spark_mf.params.biases import _HasBiases
from spark_mf.params.checks import (
    require_above_zero,
    require_at_least_zero,
    require_below_one,
    require_choice,
    require_positive,
)

SOLVERS = ("cholesky", "cg", "gd", "nnls", "subspace")
#: Most factors of a block of the solver "subspace" if subspaceSize is not set. At rank 512, an iteration with blocks of
#: 64 factors takes two thirds of the time, but decreases the objective of explicit ratings much less.
SUBSPACE_SIZE = 128


class _ALSParams(_AlternatingParams, _HasBiases, _SparkALSParams):  # type: ignore[misc]  # numbers of blocks may be None here
    """All Params of pyspark's ALS, and the ones that only spark_mf has."""

    solver: Param[str] = Param(
        Params._dummy(),
        "solver",
        "solver of a row's normal equations. 'cholesky' solves them exactly; 'cg' and 'gd' take innerSteps steps of "
        "conjugate gradients or of gradient descent with exact line search, starting from the row's previous factors; "
        "'nnls' solves them exactly for nonnegative factors, as 'cholesky' does if nonnegative is True; 'subspace' "
        "minimises over each block of subspaceSize factors in turn (iALS++), starting from the row's previous factors.",
        typeConverter=TypeConverters.toString,
    )
    innerSteps: Param[int] = Param(
        Params._dummy(),
        "innerSteps",
        "maximum number of steps of the solvers 'cg' and 'gd' per row and half-step (>= 1). Other solvers ignore it.",
        typeConverter=TypeConverters.toInt,
    )
    innerTol: Param[float] = Param(
        Params._dummy(),
        "innerTol",
        "relative tolerance of the solvers 'cg' and 'gd', in [0, 1): they stop for a row once the norm of the row's "
        "gradient is at most this fraction of its norm at the start of the half-step. With 0 every row takes "
        "innerSteps steps.",
        typeConverter=TypeConverters.toFloat,
    )

    unobservedWeight: Param[float] = Param(
        Params._dummy(),
        "unobservedWeight",
        "weight of all pairs of a user and an item in the implicit objective of iALS (> 0). If it is not set, "
        "implicitPrefs=True minimises the objective of pyspark's ALS, with confidences 1 + alpha * |rating|.",
        typeConverter=TypeConverters.toFloat,
    )
    subspaceSize: Param[int] = Param(
        Params._dummy(),
        "subspaceSize",
        "number of factors of a block of the solver 'subspace' (>= 1 and <= rank). If it is not set, it is half the "
        f"rank, rounded up, but at most {SUBSPACE_SIZE}.",
        typeConverter=TypeConverters.toInt,
    )

    extrapolation: Param[float] = Param(
        Params._dummy(),
        "extrapolation",
        "extrapolation coefficient (momentum), in [0, 1): each half-step uses the factors of the fixed side plus this "
        "multiple of their last change, except in an iteration after one that raised the objective. 0 disables it.",
        typeConverter=TypeConverters.toFloat,
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._setDefault(solver="cholesky", innerSteps=3, innerTol=0.0, fitBias=False, extrapolation=0.0)

    def getSolver(self) -> str:
        """Return the name of the solver of a row's normal equations."""
        return self.getOrDefault(self.solver)

    def getInnerSteps(self) -> int:
        """Return the maximum number of steps of the solvers "cg" and "gd"."""
        return self.getOrDefault(self.innerSteps)

    def getInnerTol(self) -> float:
        """Return the relative tolerance of the solvers "cg" and "gd"."""
        return self.getOrDefault(self.innerTol)

    def getSubspaceSize(self) -> int:
        """Return the number of factors of a block of the solver "subspace"."""
        size = self._given(self.subspaceSize)
        return min(SUBSPACE_SIZE, -(-self.getOrDefault(self.rank) // 2)) if size is None else size

    def setImplicitPrefs(self, value: bool | None) -> Self:
        """Set whether ratings are implicit feedback, i.e. confidences of preferences."""
        return self._set(implicitPrefs=value)

    def setAlpha(self, value: float | None) -> Self:
        """Set how much the confidence of an implicit preference grows with its rating."""
        return self._set(alpha=value)

    def setNonnegative(self, value: bool | None) -> Self:
        """Set whether factors are constrained to be nonnegative."""
        return self._set(nonnegative=value)

    def getUnobservedWeight(self) -> float | None:
        """Return the weight of all pairs in the objective of iALS; None for the objective of pyspark's ALS."""
        return self._given(self.unobservedWeight)

    def setUnobservedWeight(self, value: float | None) -> Self:
        """Set the weight of all pairs in the objective of iALS; None for the objective of pyspark's ALS."""
        return self._set(unobservedWeight=value)

    def setSolver(self, value: str | None) -> Self:
        """Set the solver of a row: "cholesky", "cg", "gd", "nnls" or "subspace"."""
        return self._set(solver=value)

    def setInnerSteps(self, value: int | None) -> Self:
        """Set the maximum number of steps of the solvers "cg" and "gd"."""
        return self._set(innerSteps=value)

    def setInnerTol(self, value: float | None) -> Self:
        """Set the relative tolerance of the solvers "cg" and "gd"; 0 disables it."""
        return self._set(innerTol=value)

    def setSubspaceSize(self, value: int | None) -> Self:
        """Set the number of factors of a block of the solver "subspace"."""
        return self._set(subspaceSize=value)

    def getExtrapolation(self) -> float:
        """Return the coefficient of the extrapolation between half-steps."""
        return self.getOrDefault(self.extrapolation)

    def setExtrapolation(self, value: float | None) -> Self:
        """Set the coefficient of the extrapolation between half-steps; 0 disables it."""
        return self._set(extrapolation=value)


def validate_als_params(instance: _ALSParams) -> None:
    """Raise an error unless every Param has a valid value; runs no Spark job.

    Raises
    ------
    ValueError
        If a value is outside its range or choices.
    """
    validate_alternating_params(instance)
    require_positive("innerSteps", instance.getInnerSteps())
    require_below_one("innerTol", instance.getInnerTol())
    require_below_one("extrapolation", instance.getExtrapolation())
    require_choice("solver", instance.getSolver(), SOLVERS)
    _validate_solver(instance.getSolver(), instance.getNonnegative())
    if instance.isDefined(instance.subspaceSize):
        _validate_subspace_size(instance.getSubspaceSize(), instance.getSolver(), instance.getOrDefault(instance.rank))
    _validate_implicit_params(instance)
    require_at_least_zero("biasRegParam", instance.getBiasRegParam())
    if instance.getFitBias():
        _validate_biases(instance)


def _validate_biases(instance: _ALSParams) -> None:
    if instance.getNonnegative():
        raise ValueError(
            "fitBias must be False with nonnegative=True, got True. Biases are negative for ratings below the mean."
        )
    if instance.getImplicitPrefs():
        raise ValueError(
            "fitBias must be False with implicitPrefs=True, got True. Biases are those of explicit ratings."
        )


def _validate_solver(solver: str, nonnegative: bool) -> None:
    if nonnegative and solver not in ("cholesky", "nnls"):
        raise ValueError(
            f"solver must be 'cholesky' or 'nnls' with nonnegative=True, got {solver!r}. Iterative solvers do not "
            "support constraints."
        )
    if solver == "nnls" and not nonnegative:
        raise ValueError("nonnegative must be True with solver='nnls', got False. Set it, or use solver='cholesky'.")


def _validate_subspace_size(size: int, solver: str, rank: int) -> None:
    if solver != "subspace":
        raise ValueError(
            f"subspaceSize must be set with solver='subspace' only, got {size} with solver={solver!r}. Set "
            "solver='subspace', or leave it unset."
        )
    require_positive("subspaceSize", size)
    if size > rank:
        raise ValueError(f"subspaceSize must be <= rank={rank}, got {size}. Use a smaller one, or leave it unset.")


def _validate_implicit_params(instance: _ALSParams) -> None:
    unobserved_weight, is_implicit = instance.getUnobservedWeight(), instance.getImplicitPrefs()
    if not is_implicit:
        if unobserved_weight is not None:
            raise ValueError(
                f"unobservedWeight must be set with implicitPrefs=True only, got {unobserved_weight:g}. Set "
                "implicitPrefs=True, or leave it unset."
            )
        return
    if instance.getClipPredictions():
        raise ValueError(
            "clipPredictions must be False with implicitPrefs=True, got True. Predictions are preferences, not ratings."
        )
    if unobserved_weight is None:
        require_above_zero("alpha", instance.getAlpha())
        return
    require_above_zero("unobservedWeight", unobserved_weight)
    if instance.isSet(instance.alpha):
        raise ValueError(
            f"alpha must not be set together with unobservedWeight, got {instance.getAlpha():g}. Set alpha for the "
            "objective of pyspark's ALS, or unobservedWeight for that of iALS."
        )
