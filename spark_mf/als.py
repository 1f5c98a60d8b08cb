"""The ALS estimator: matrix factorization by alternating least squares."""

import logging
from dataclasses import replace

import numpy as np
from pyspark import keyword_only

from spark_mf.exchange.base import IterationResult
from spark_mf.exchange.extrapolation import Extrapolation
from spark_mf.fitting.alternating import _AlternatingFactorizer
from spark_mf.fitting.warm_start import InitialModel
from spark_mf.kernels.initial import rows_for_nonnegative, unit_rows
from spark_mf.kernels.random import Purpose
from spark_mf.kernels.row_layout import RowLayout
from spark_mf.model import ALSModel
from spark_mf.objectives.base import Objective
from spark_mf.objectives.biased import BiasedObjective
from spark_mf.objectives.explicit import ExplicitObjective
from spark_mf.objectives.implicit import VALIDATION_USERS, ImplicitObjective
from spark_mf.params.als import _ALSParams, validate_als_params
from spark_mf.params.values import params_setter
from spark_mf.ratings.base import PreparedRatings
from spark_mf.solvers.base import Factors, RowSolver
from spark_mf.solvers.cholesky import CholeskySolver
from spark_mf.solvers.descent import LineSearchSolver
from spark_mf.solvers.nnls import NNLSSolver
from spark_mf.solvers.subspace import SubspaceSolver

logger = logging.getLogger(__name__)


class ALS(_AlternatingFactorizer[ALSModel], _ALSParams):  # type: ignore[misc]  # as _ALSParams
    """Matrix factorization by blocked alternating least squares, R ≈ U Vᵀ.

    It is a drop-in replacement of `pyspark.ml.recommendation.ALS`, with the same constructor, Params, defaults, columns
    and model. For explicit ratings it minimises, over the observed pairs Ω,

    - ``regularization="weighted"`` (default, as in pyspark): Σ e² + λ(Σ n_u‖u‖² + Σ n_i‖v‖²)
    - ``"plain"``: Σ e² + λ(‖U‖² + ‖V‖²)
    - ``"mean"``: (1/|Ω|) Σ e² + λ(‖U‖² + ‖V‖²)
    - ``"frequency"``: Σ e² + λ(Σ n_u^ν‖u‖² + Σ n_i^ν‖v‖²), with ν = regExponent

    where e = r − u·v, λ = regParam, and n_u and n_i are the numbers of ratings of a user and an item (Zhou, Wilkinson,
    Schreiber and Pan 2008, "Large-scale parallel collaborative filtering for the Netflix prize", eq. 3). `userRegParam`
    and `itemRegParam` replace λ for one side. With `weightCol`, a rating of weight w counts as w ratings: w multiplies
    its error, n_u, n_i and |Ω| are sums of weights, and rows of weight 0 are ignored.

    With ``implicitPrefs=True`` ratings are implicit feedback, and the errors are those of the preferences, p = 1 for r
    > 0 and 0 otherwise, over all pairs of a user and an item: Σ c(p − u·v)² with the confidences c = 1 + alpha·|r|,
    where r = 0 for pairs without a rating (Hu, Koren and Volinsky 2008, "Collaborative filtering for implicit feedback
    datasets", eq. 3; the same objective as pyspark's). With `unobservedWeight` they are those of iALS, Σ_{r > 0} (1 −
    u·v)² + unobservedWeight·Σ_all (u·v)², for which "frequency" weights λ by (n_u + unobservedWeight·|items|)^ν
    (Rendle, Krichene, Zhang and Koren 2022, "Revisiting the performance of iALS on item recommendation benchmarks", eq.
    2 and 9). n_u and n_i then count the ratings > 0. Predictions are preferences. A weight multiplies what its rating
    adds to the errors of a pair without a rating.

    With ``fitBias=True`` predictions of explicit ratings are μ + b_u + b_i + u·v, where μ is the mean of the training
    ratings. The objective has the same errors and λ_b(Σ n_u b_u² + Σ n_i b_i²) in addition, with λ_b = biasRegParam,
    regParam if it is not set, and with the weights of `regularization`. A half-step solves for the factors and the
    bias of each row together: that of a user is the ridge regression of r − μ − b_i on [v, 1] (Koren, Bell and Volinsky
    2009, "Matrix factorization techniques for recommender systems", eq. 5). The model has biases like that of SGD.

    Each iteration is a half-step for all items with fixed users, followed by a half-step for all users with fixed
    items. `solver` selects how a row is solved: "cholesky" exactly, "cg" by `innerSteps` conjugate gradient steps from
    the factors of the previous iteration, "gd" by the same number of gradient descent steps with exact line search.
    These two stop early for a row whose gradient has become small, as `innerTol` specifies. "subspace", for ranks of
    128 or more, minimises the objective over each block of `subspaceSize` factors of a row in turn, from the factors of
    the previous iteration (Rendle, Krichene, Zhang and Koren 2021, "iALS++: Speeding up matrix factorization with
    subspace optimization"). With ``nonnegative=True`` all factors are >= 0, and a row is solved exactly by "nnls",
    block principal pivoting (Kim and Park 2011, "Fast nonnegative matrix factorization: an active-set-like method and
    comparisons").

    With ``extrapolation=β`` > 0, iterations extrapolate the factors of both sides: a half-step for items uses users
    u + β(u − u₀), and one for users uses items v + β(v − v₀), where u, v are the last solutions of each side and u₀, v₀
    the ones before. Negative factors become 0 with ``nonnegative=True``. The model has the extrapolated items and the
    users solved from them, and the history has their objective. If it rises, the next iteration does not extrapolate;
    neither do the first two. β = 0.3 often halves the number of iterations, and β > 0.5 causes many such restarts. Fits
    need memory for a second pair of factor matrices. (Mitchell, Ye and De Sterck 2020, "Nesterov acceleration of
    alternating least squares for canonical tensor decomposition", extrapolate once per iteration; Ang and Gillis 2019,
    "Accelerating nonnegative matrix factorization algorithms using extrapolation", after each half-step; restart as in
    O'Donoghue and Candès 2015, "Adaptive restart for accelerated gradient schemes".)

    The fit stops after maxIter iterations or, if `tol` is positive, after the first iteration that changes U Vᵀ by less
    than `tol` in Frobenius norm. `summary.stoppedEarly` is True if it did, and `summary.history` has the
    `product_change` of each iteration. With `earlyStoppingPatience` and validation rows, it stops after this number of
    iterations without a lower validation RMSE, or a higher recall@10 for implicit feedback, and the model has the
    factors of the best iteration.

    Ids of users and items are integers of any type or strings, and have the same type in the model, its predictions and
    its recommendations. `fit` takes a DataFrame, or ratings that were laid out before, such as a
    `spark_mf.ratings.folder.PartitionedRatings`.

    A rank-deficient row (regParam=0 and fewer independent ratings than rank) gets the minimum-norm solution. Repeated
    ratings of the same (user, item) pair are separate observations, as in pyspark; `summary.duplicates` counts them.

    The same seed gives the same model up to rounding, regardless of the numbers of blocks and partitions. If
    numUserBlocks and numItemBlocks are not set, there are enough blocks to keep all task slots busy, each with between
    100,000 and about 4 million ratings.

    With ``engine="ring"`` blocks and factors stay in the workers, in one barrier stage per checkpointInterval
    iterations. With ``engine="broadcast"`` the factors pass through the driver in every half-step, in ordinary stages.
    The results are the same up to rounding. "auto" selects the ring, except under dynamic allocation and if the session
    requires network encryption. The factors, n·rank·4 bytes, must fit in the driver and in each running task.

    With `checkpointDir` the fit writes a checkpoint every checkpointInterval iterations, and the same fit resumes from
    the last checkpoint. A fit that converged by `tol` does not run further iterations, even with a larger maxIter.
    `initialModel` is the path of a saved model of any estimator to start from. With ``fitBias=True`` its biases are the
    initial ones, 0 if it has none, while μ is the mean of the new training ratings. Otherwise its biases are ignored,
    unless it is the saved result of `asPlain`.

    Examples
    --------
    >>> ratings = spark.createDataFrame(
    ...     [(0, 0, 4.0), (0, 1, 2.0), (1, 1, 3.0), (1, 2, 4.0), (2, 1, 1.0), (2, 2, 5.0)],
    ...     ["user", "item", "rating"])
    >>> model = ALS(rank=2, maxIter=5, regParam=0.1, seed=0).fit(ratings)
    >>> model.rank
    2
    >>> model.summary.totalIterations
    5
    >>> model.recommendForAllUsers(1).columns
    ['user', 'recommendations']
    """

    _model = ALSModel

    @keyword_only
    def __init__(
        self,
        *,
        rank: int = 10,
        maxIter: int = 10,
        regParam: float = 0.1,
        numUserBlocks: int | None = None,
        numItemBlocks: int | None = None,
        implicitPrefs: bool = False,
        alpha: float = 1.0,
        userCol: str = "user",
        itemCol: str = "item",
        seed: int | None = None,
        ratingCol: str = "rating",
        nonnegative: bool = False,
        checkpointInterval: int = 10,
        intermediateStorageLevel: str = "MEMORY_AND_DISK",
        finalStorageLevel: str = "MEMORY_AND_DISK",
        coldStartStrategy: str = "nan",
        blockSize: int = 4096,
        validationIndicatorCol: str | None = None,
        clipPredictions: bool = False,
        regularization: str = "weighted",
        solver: str = "cholesky",
        innerSteps: int = 3,
        innerTol: float = 0.0,
        tol: float = 0.0,
        engine: str = "auto",
        ringTimeout: float = 60.0,
        checkpointDir: str | None = None,
        initialModel: str | None = None,
        userRegParam: float | None = None,
        itemRegParam: float | None = None,
        regExponent: float | None = None,
        weightCol: str | None = None,
        earlyStoppingPatience: int = 0,
        unobservedWeight: float | None = None,
        fitBias: bool = False,
        biasRegParam: float | None = None,
        subspaceSize: int | None = None,
        extrapolation: float = 0.0,
    ) -> None:
        super().__init__()
        self._set(**self._input_kwargs)

    setParams = params_setter(__init__)

    def _validate(self) -> None:
        validate_als_params(self)

    def _objective(self, ratings: PreparedRatings) -> Objective:
        regularization = self._regularization(ratings.counts.weight)
        n_validation, nonnegative = ratings.counts.validation_weight, self.getNonnegative()
        if self.getFitBias():
            return BiasedObjective(regularization, self.getBiasRegParam(), self._initial_mean(ratings), n_validation)
        if not self.getImplicitPrefs():
            if ratings.is_fully_observed and self.getSolver() == "cholesky" and not nonnegative:
                logger.info("All pairs of users and items are observed: the rows of a block share one factorization.")
            return ExplicitObjective(regularization, n_validation, nonnegative)
        if ratings.counts.highest <= 0:
            raise ValueError(
                f"ratings must contain at least one value > 0 with implicitPrefs=True, got {ratings.counts.highest:g} "
                "as the highest. Values <= 0 express no preference."
            )
        weight, n_users, n_items = self.getUnobservedWeight(), len(ratings.users), len(ratings.items)
        scale = 1.0 if weight is None else weight
        return ImplicitObjective(
            regularization=replace(regularization, unobserved=(scale * n_items, scale * n_users)),
            alpha=self.getAlpha(),
            unobserved_weight=weight,
            nonnegative=nonnegative,
            n_validation=n_validation,
            sample_step=-(-n_users // VALIDATION_USERS),
        )

    def _solver(self, n_ratings: float) -> RowSolver:
        if self.getNonnegative():
            return NNLSSolver()
        if self.getSolver() == "cholesky":
            return CholeskySolver()
        if self.getSolver() == "subspace":
            return SubspaceSolver(self.getSubspaceSize())
        return LineSearchSolver(self.getSolver() == "cg", self.getInnerSteps(), self.getInnerTol())

    def _extrapolation(self) -> Extrapolation | None:
        coefficient = self.getExtrapolation()
        return Extrapolation(coefficient, self.getNonnegative()) if coefficient else None

    def _row_layout(self) -> RowLayout:
        return RowLayout(self.getRank(), bias=self.getFitBias(), constant=False)

    def _bias_reg_param(self) -> float | None:
        return self.getBiasRegParam() if self.getFitBias() else None

    def _initial_mean(self, ratings: PreparedRatings) -> float:
        return ratings.counts.mean if self.getFitBias() else 0.0

    def _solver_name(self) -> str:
        return "nnls" if self.getNonnegative() else self.getSolver()

    def _initial_factors(self, purpose: Purpose, n_rows: int) -> Factors:
        given = self.getSeed(), purpose, n_rows, self.getRank()
        if not self.getNonnegative():
            return unit_rows(*given)
        # The first half-step replaces the items, and the second one the users, which it starts from.
        if purpose == Purpose.USER_FACTORS and self.getMaxIter() > 0:
            return rows_for_nonnegative(*given)
        return np.abs(unit_rows(*given))

    def _require_suitable(self, initial: InitialModel) -> None:
        if self.getNonnegative():
            initial.require_nonnegative()

    def _diverged(self, result: IterationResult) -> str:
        return (
            f"factors must be finite, got NaN or infinity in iteration {result.number} with "
            f"regParam={self.getRegParam()}. Use a larger regParam, or scale very large ratings down."
        )
