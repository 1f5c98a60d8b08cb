"""The ALS estimator: alternating least squares."""

from pyspark import keyword_only

from spark_mf.exchange.base import IterationResult
from spark_mf.fitting.alternating import _AlternatingFactorizer
from spark_mf.kernels.initial import unit_rows
from spark_mf.kernels.random import Purpose
from spark_mf.model import ALSModel
from spark_mf.params.als import _ALSParams, validate_als_params
from spark_mf.params.values import params_setter
from spark_mf.solvers.base import Factors, RowSolver
from spark_mf.solvers.cholesky import CholeskySolver
from spark_mf.solvers.descent import LineSearchSolver


class ALS(_AlternatingFactorizer[ALSModel], _ALSParams):  # type: ignore[misc]  # as _ALSParams
    """Matrix factorization of explicit ratings by blocked alternating least squares, R ≈ U Vᵀ.

    A drop-in for `pyspark.ml.recommendation.ALS`: the same constructor, Params, defaults, columns and model.
    It minimises, over the observed pairs Ω,

    - ``regularization="weighted"`` (default, as pyspark): Σ e² + λ(Σ n_u‖u‖² + Σ n_i‖v‖²)
    - ``"plain"``: Σ e² + λ(‖U‖² + ‖V‖²)
    - ``"mean"``: (1/|Ω|) Σ e² + λ(‖U‖² + ‖V‖²)

    with e = r − u·v, λ = regParam and n_u, n_i the ratings of a user and an item (Zhou, Wilkinson, Schreiber and
    Pan 2008, "Large-scale parallel collaborative filtering for the Netflix prize", eq. 3). Each iteration solves
    all items for fixed users, then all users for fixed items; `solver` says how: "cholesky" exactly, "cg" by
    `innerSteps` conjugate-gradient steps from the factors of the iteration before, "gd" by as many steps of gradient
    descent with exact line search. With `innerTol` a row takes no further step once its gradient is that small.

    The fit ends after maxIter iterations, or with `tol` after the first that changed U Vᵀ by less in Frobenius norm:
    `summary.stoppedEarly` says so, and `summary.history` has each iteration's `product_change`.

    Users and items have ids of any integer type or strings; the model, its predictions and recommendations have the
    same. `fit` takes a DataFrame, or a `spark_mf.ratings.folder.PartitionedRatings` that was laid out before.

    A row whose ratings do not determine it (regParam=0, fewer independent ratings than rank) gets the
    minimum-norm solution. Ratings of the same (user, item) pair are kept, each an observation of its own as in
    pyspark, and counted in `summary.duplicates`.

    The same seed gives the same model to rounding, whatever numUserBlocks, numItemBlocks and partitions are. Where
    the numbers of blocks are not set, they are as many as keep the cores busy and each block between a hundred thousand
    and about 4 million ratings.

    With ``engine="ring"`` blocks and factors stay with the workers, in one barrier stage for checkpointInterval
    iterations; with ``"broadcast"`` factors pass the driver in every half-step, and stages are ordinary ones. Results
    are the same to rounding. "auto" takes the ring, except under dynamic allocation and where the session demands
    network encryption. The factors, n·rank·4 bytes, have to fit in the driver and in each running task.

    With `checkpointDir` the fit is saved every checkpointInterval iterations, and the same fit goes on from there. One
    that `tol` ended stays ended, with a larger maxIter too. `initialModel` names a saved model to start from, of any
    estimator; biases are left out, and `asPlain` includes them.

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
    ) -> None:
        super().__init__()
        self._set(**self._input_kwargs)

    setParams = params_setter(__init__)

    def _validate(self) -> None:
        validate_als_params(self)

    def _solver(self, n_ratings: int) -> RowSolver:
        if self.getSolver() == "cholesky":
            return CholeskySolver()
        return LineSearchSolver(self.getSolver() == "cg", self.getInnerSteps(), self.getInnerTol())

    def _solver_name(self) -> str:
        return self.getSolver()

    def _initial_factors(self, purpose: Purpose, n_rows: int) -> Factors:
        return unit_rows(self.getSeed(), purpose, n_rows, self.getRank())

    def _diverged(self, result: IterationResult) -> str:
        return (
            f"iteration {result.number} gave factors that are not finite with regParam={self.getRegParam()}: "
            "use a larger regParam, or scale very large ratings down"
        )
