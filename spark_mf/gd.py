"""The GD estimator: matrix factorization by full-batch gradient descent."""

import logging

from pyspark import keyword_only
from pyspark.sql import DataFrame

from spark_mf.exchange.base import IterationResult
from spark_mf.fitting.alternating import _AlternatingFactorizer
from spark_mf.kernels.initial import normal_rows
from spark_mf.kernels.random import Purpose
from spark_mf.model import GDModel
from spark_mf.params.gd import _GDParams, validate_gd_params
from spark_mf.params.values import params_setter
from spark_mf.ratings.base import LaidOutRatings
from spark_mf.solvers.base import Factors, RowSolver
from spark_mf.solvers.descent import GradientStepSolver

logger = logging.getLogger("spark_mf")


class GD(_AlternatingFactorizer[GDModel], _GDParams):
    """Matrix factorization of explicit ratings by full-batch gradient descent, R ≈ U Vᵀ.

    The objective, the columns, the engines and the model are those of `spark_mf.ALS`. Each iteration is one step along
    the full gradient, which updates all users and items simultaneously from their old values,

        u += 2·(stepSize/|Ω|)·(Σ e·v − penalty·u),   v likewise,

    where e = r − u·v over the row's ratings, and the penalty is λ n_u ("weighted"), λ ("plain"), λ|Ω| ("mean") or λ
    n_u^ν ("frequency"). With `weightCol`, a rating of weight w counts as w ratings, as in ALS. The method is a baseline
    for comparisons: a step takes a fraction of the time of an ALS iteration, but it needs hundreds of steps where ALS
    needs ten iterations.

    The learning rate stepSize is in units of 1/|Ω| and must suit the ratings: about |Ω|/(8σ) is safe, where σ is the
    largest singular value of the rating matrix (with 0 for unobserved pairs). That is 3 for 1,000 ratings from 1 to 5,
    20 for 100,000, and more for more ratings; twice that value may still work. A learning rate that is too large stops
    the fit with an ArithmeticError that suggests a smaller one.

    If `tol` is positive, the fit stops after the first step that changes U Vᵀ by less than `tol`. The initial factors
    are close to 0, where the gradient is small too, so a large `tol` stops the fit after its first step.

    All ratings of a row are in one block, which therefore computes the row's complete gradient: tasks do not add up
    gradients, and ratings do not move. The same seed gives the same model up to rounding, regardless of the blocks.
    Blocks, engines, `checkpointDir` and `initialModel` work as in ALS, and so do the memory requirements: the factors,
    n·rank·4 bytes, must fit in the driver and in each running task, in the task together with the item factors of the
    previous step.

    Examples
    --------
    >>> ratings = spark.createDataFrame(
    ...     [(0, 0, 4.0), (0, 1, 2.0), (1, 1, 3.0), (1, 2, 4.0), (2, 1, 1.0), (2, 2, 5.0)],
    ...     ["user", "item", "rating"])
    >>> model = GD(rank=2, stepSize=0.2, maxIter=200, tol=0.01, seed=0).fit(ratings)
    >>> model.summary.stoppedEarly
    True
    """

    _model = GDModel

    @keyword_only
    def __init__(
        self,
        *,
        rank: int = 10,
        maxIter: int = 100,
        regParam: float = 0.05,
        stepSize: float = 10.0,
        regularization: str = "weighted",
        initStd: float = 0.1,
        tol: float = 0.0,
        validationIndicatorCol: str | None = None,
        numUserBlocks: int | None = None,
        numItemBlocks: int | None = None,
        userCol: str = "user",
        itemCol: str = "item",
        ratingCol: str = "rating",
        seed: int | None = None,
        checkpointInterval: int = 10,
        intermediateStorageLevel: str = "MEMORY_AND_DISK",
        finalStorageLevel: str = "MEMORY_AND_DISK",
        coldStartStrategy: str = "nan",
        blockSize: int = 4096,
        clipPredictions: bool = False,
        engine: str = "auto",
        ringTimeout: float = 60.0,
        checkpointDir: str | None = None,
        initialModel: str | None = None,
        userRegParam: float | None = None,
        itemRegParam: float | None = None,
        regExponent: float | None = None,
        weightCol: str | None = None,
        earlyStoppingPatience: int = 0,
    ) -> None:
        super().__init__()
        self._set(**self._input_kwargs)

    setParams = params_setter(__init__)

    def _fit(self, dataset: DataFrame | LaidOutRatings) -> GDModel:
        model = super()._fit(dataset)
        history = model.summary.history
        if model.summary.stoppedEarly and len(history) == 1 and self.getInitialModel() is None:
            logger.warning(
                "tol=%g stopped the fit after its first step, which changed the product of the factors by %g. Steps "
                "from initial factors near 0 are short; use a smaller tol or a larger initStd.",
                self.getTol(),
                history[0].product_change,
            )
        return model

    def _validate(self) -> None:
        validate_gd_params(self)

    def _solver(self, n_ratings: float) -> RowSolver:
        return GradientStepSolver(self.getStepSize() / n_ratings)

    def _solver_name(self) -> str:
        return "gd"

    def _initial_factors(self, purpose: Purpose, n_rows: int) -> Factors:
        return normal_rows(self.getSeed(), purpose, n_rows, self.getRank(), self.getInitStd())

    def _diverged(self, result: IterationResult) -> str:
        step = self.getStepSize()
        return (
            f"factors must be finite, got NaN or infinity in step {result.number} with stepSize={step:g}. Use a "
            f"smaller stepSize, such as {step / 4:g}, or scale very large ratings down."
        )
