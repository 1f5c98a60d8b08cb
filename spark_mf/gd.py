"""The GD estimator: gradient descent on all parameters at once."""

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
    """Matrix factorization of explicit ratings by gradient descent on all parameters, R ≈ U Vᵀ.

    The objective, the columns, the engines and the model are those of `spark_mf.ALS`. Each iteration is one step down
    the full gradient, all users and items at once from their old values,

        u += 2·(stepSize/|Ω|)·(Σ e·v − penalty·u),   v likewise,

    with e = r − u·v over the row's ratings, and a penalty of λ n_u ("weighted"), λ ("plain") or λ|Ω| ("mean"). It is
    the plainest method and slow: a step takes a fraction of the time of an ALS iteration, but hundreds are needed where
    ALS needs ten. It is here to compare with.

    The step is in units of 1/|Ω| and has to suit the ratings: about |Ω|/(8σ), with σ the largest singular value of the
    matrix of ratings (0 where there is none), is safe. That is 3 for a thousand ratings from 1 to 5, 20 for a hundred
    thousand, and more for more of them; twice as much may still do. One that is too large ends the fit with an
    ArithmeticError that names a smaller one to try.

    With `tol` the fit ends after the first step that changed U Vᵀ by less. The first factors are nearly 0 and so is
    the gradient there: the first steps change little, too, and a tol above that ends the fit at once.

    A row's ratings all lie in one block, so its gradient is complete there: no gradients are added up between tasks,
    and no rating moves. The same seed gives the same model to rounding, whatever the blocks are. Blocks, engines,
    `checkpointDir` and `initialModel` are as with ALS. So is what has to fit in the driver and each running task: the
    factors, n·rank·4 bytes, in the task with the items' of the step before.

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
    ) -> None:
        super().__init__()
        self._set(**self._input_kwargs)

    setParams = params_setter(__init__)

    def _fit(self, dataset: DataFrame | LaidOutRatings) -> GDModel:
        model = super()._fit(dataset)
        history = model.summary.history
        if model.summary.stoppedEarly and len(history) == 1 and self.getInitialModel() is None:
            logger.warning(
                "tol=%g ended the fit after its first step, which changed the product of the factors by %g: steps from "
                "first factors near 0 are short, so use a smaller tol, or a larger initStd",
                self.getTol(),
                history[0].product_change,
            )
        return model

    def _validate(self) -> None:
        validate_gd_params(self)

    def _solver(self, n_ratings: int) -> RowSolver:
        return GradientStepSolver(self.getStepSize() / n_ratings)

    def _solver_name(self) -> str:
        return "gd"

    def _initial_factors(self, purpose: Purpose, n_rows: int) -> Factors:
        return normal_rows(self.getSeed(), purpose, n_rows, self.getRank(), self.getInitStd())

    def _diverged(self, result: IterationResult) -> str:
        step = self.getStepSize()
        return (
            f"step {result.number} diverged with stepSize={step:g}: its factors are not finite any more; use a smaller "
            f"stepSize, such as {step / 4:g}, or scale very large ratings down"
        )
