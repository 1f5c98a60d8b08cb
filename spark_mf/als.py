"""The ALS estimator: what it accepts, and the order in which a fit does things."""

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
from pyspark import SparkContext, keyword_only
from pyspark.ml import Estimator
from pyspark.ml.util import MLReadable, MLWritable
from pyspark.sql import DataFrame, SparkSession

from spark_mf.data.ids import with_original_ids
from spark_mf.engine.broadcast import BroadcastEngine, Iteration, State
from spark_mf.engine.factors import factors_frame
from spark_mf.engine.half_step import Subproblem
from spark_mf.engine.layout import Side
from spark_mf.kernels.initial import unit_rows
from spark_mf.kernels.objective import objective
from spark_mf.kernels.random import Purpose
from spark_mf.model import ALSModel
from spark_mf.params import _ALSParams, storage_level, validate_params
from spark_mf.partitioned import PartitionedRatings
from spark_mf.persistence import ParamsReader, ParamsWriter
from spark_mf.preparation import PreparedRatings, prepare
from spark_mf.progress import Progress, report
from spark_mf.summary import IterationRecord, TrainingSummary

if TYPE_CHECKING:
    from pyspark.ml._typing import ParamMap


class ALS(Estimator[ALSModel], _ALSParams, MLWritable, MLReadable["ALS"]):
    """Matrix factorization of explicit ratings by blocked alternating least squares, R ≈ U Vᵀ.

    A drop-in for `pyspark.ml.recommendation.ALS`: the same constructor, Params, defaults, columns and model.
    It minimises, over the observed pairs Ω,

    - ``regularization="weighted"`` (default, as pyspark): Σ e² + λ(Σ n_u‖u‖² + Σ n_i‖v‖²)
    - ``"plain"``: Σ e² + λ(‖U‖² + ‖V‖²)
    - ``"mean"``: (1/|Ω|) Σ e² + λ(‖U‖² + ‖V‖²)

    with e = r − u·v, λ = regParam and n_u, n_i the ratings of a user and an item (Zhou, Wilkinson, Schreiber and
    Pan 2008, "Large-scale parallel collaborative filtering for the Netflix prize", eq. 3). Each iteration solves
    all items for fixed users, then all users for fixed items; `solver` says how: "cholesky" exactly, "cg" by
    `innerSteps` conjugate-gradient steps from the factors of the iteration before.

    Users and items have ids of any integer type or strings; the model, its predictions and recommendations have the
    same. `fit` takes a DataFrame, or a `spark_mf.partitioned.PartitionedRatings` that was laid out before.

    A row whose ratings do not determine it (regParam=0, fewer independent ratings than rank) gets the
    minimum-norm solution. Ratings of the same (user, item) pair are kept, each an observation of its own as in
    pyspark, and counted in `summary.duplicates`.

    The same seed gives the same model to rounding, whatever numUserBlocks, numItemBlocks and partitions are. Where
    the numbers of blocks are not set, they are at most 10, as in pyspark, but no more than keep the cores busy and
    each block below about 4 million ratings.

    A factor matrix, n·rank·4 bytes, has to fit in the driver and in each running task. Nothing grows with the
    iterations, so there is nothing for checkpointInterval to cut off.

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

    _input_kwargs: dict[str, Any]

    @keyword_only
    def __init__(
        self,
        *,
        rank: int = 10,
        maxIter: int = 10,
        regParam: float = 0.1,
        numUserBlocks: int = 10,
        numItemBlocks: int = 10,
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
        regularization: str = "weighted",
        solver: str = "cholesky",
        innerSteps: int = 3,
    ) -> None:
        super().__init__()
        self.setParams(**self._input_kwargs)

    def setParams(self, **params: Any) -> Self:
        """Set several Params at once, by the constructor's names.

        Raises
        ------
        TypeError
            For a name that is no Param, or a value of the wrong type.
        """
        unknown = [name for name in params if not self.hasParam(name)]
        if unknown:
            known = ", ".join(param.name for param in self.params)
            raise TypeError(f"{unknown[0]!r} is no Param of ALS: use one of {known}")
        return self._set(**params)

    @overload
    def fit(self, dataset: DataFrame | PartitionedRatings, params: "ParamMap | None" = ...) -> ALSModel: ...

    @overload
    def fit(
        self, dataset: DataFrame | PartitionedRatings, params: "list[ParamMap] | tuple[ParamMap, ...]"
    ) -> list[ALSModel]: ...

    def fit(self, dataset: Any, params: Any = None) -> Any:
        """Fit a model to ratings, or several with other values of Params.

        Parameters
        ----------
        dataset : DataFrame or PartitionedRatings
        params : dict of Param to value, or a list of these, optional

        Raises
        ------
        ValueError, NotImplementedError
            When a Param, a column or a row cannot be used.
        MemoryError
            When the driver cannot take the factors.
        """
        return super().fit(dataset, params)

    def write(self) -> ParamsWriter:
        """Return the writer behind `save`; `write().overwrite().save(path)` replaces what is at the path."""
        return ParamsWriter(self)

    @classmethod
    def read(cls) -> ParamsReader["ALS"]:
        """Return the reader behind `load`."""
        return ParamsReader(cls)

    def _fit(self, dataset: DataFrame | PartitionedRatings) -> ALSModel:
        began = time.perf_counter()
        validate_params(self)
        session = dataset.sparkSession
        with ExitStack() as held:
            if isinstance(dataset, PartitionedRatings):
                ratings = dataset.prepare(self, held)
            else:
                ratings = prepare(dataset, self, held)
            users, items = ratings.users.side, ratings.items.side
            state = self._initial_state(users, items)
            setup_seconds = time.perf_counter() - began
            history = self._iterate(session.sparkContext, ratings, state, began)
            factors = self._factors(session, ratings, state)
        summary = TrainingSummary(
            history=tuple(history),
            setupSeconds=setup_seconds,
            totalSeconds=time.perf_counter() - began,
            users=len(users),
            items=len(items),
            ratings=ratings.ratings,
            validationRatings=ratings.validation_ratings,
            coldValidationRatings=ratings.validation_ratings - ratings.users.validation_ratings,
            duplicates=ratings.users.duplicates,
            regParam=self.getRegParam(),
            regularization=self.getRegularization(),
            solver=self.getSolver(),
        )
        return self._copyValues(ALSModel(*factors, self.getRank(), summary))

    def _initial_state(self, users: Side, items: Side) -> State:
        """Return random rows of length 1, which depend on nothing but the seed and the position among sorted ids."""
        seed, rank = self.getSeed(), self.getRank()
        return State(
            unit_rows(seed, Purpose.USER_FACTORS, len(users), rank),
            unit_rows(seed, Purpose.ITEM_FACTORS, len(items), rank),
        )

    def _iterate(
        self, context: SparkContext, ratings: PreparedRatings, state: State, began: float
    ) -> list[IterationRecord]:
        problem = Subproblem(
            self.getRank(),
            self.getRegParam(),
            self.getRegularization(),
            ratings.ratings,
            self.getSolver(),
            self.getInnerSteps(),
        )
        engine = BroadcastEngine(context, ratings.users, ratings.items, problem)
        history = []
        for number, iteration in enumerate(engine.iterate(state, self.getMaxIter()), 1):
            record = _record(number, iteration, problem, ratings.users.validation_ratings)
            history.append(record)
            report(
                Progress(
                    label="ALS",
                    step=number,
                    total=self.getMaxIter(),
                    seconds=record.seconds,
                    elapsed=time.perf_counter() - began,
                    train_rmse=record.train_rmse,
                    validation_rmse=record.validation_rmse,
                )
            )
        return history

    def _factors(self, session: SparkSession, ratings: PreparedRatings, state: State) -> tuple[DataFrame, DataFrame]:
        """Return both sides' factors as frames with the ids of the dataset, persisted."""
        level = storage_level(self.getFinalStorageLevel())
        users = factors_frame(session, ratings.users.side.index.ids, state.users)
        items = factors_frame(session, ratings.items.side.index.ids, state.items)
        return with_original_ids(users, ratings.user_ids, level), with_original_ids(items, ratings.item_ids, level)


def _record(number: int, iteration: Iteration, problem: Subproblem, n_validation: int) -> IterationRecord:
    return IterationRecord(
        iteration=number,
        seconds=iteration.seconds,
        objective=objective(iteration.squared_error, iteration.penalties, problem.regularization, problem.n_ratings),
        train_rmse=float(np.sqrt(iteration.squared_error / problem.n_ratings)),
        validation_rmse=float(np.sqrt(iteration.validation_squared_error / n_validation)) if n_validation else None,
    )
