"""The ALS estimator: what it accepts, and the order in which a fit does things."""

import logging
import time
from contextlib import ExitStack
from typing import Any, Self

import numpy as np
from pyspark import RDD, SparkContext, keyword_only
from pyspark.ml import Estimator
from pyspark.ml.util import MLReadable, MLWritable
from pyspark.sql import DataFrame

from spark_mf.data.columns import select_ratings
from spark_mf.engine.broadcast import BroadcastEngine, Iteration, State
from spark_mf.engine.chunks import Census, chunk_ratings, take_census
from spark_mf.engine.factors import factors_frame
from spark_mf.engine.half_step import Subproblem
from spark_mf.engine.layout import Layout, Side, lay_out
from spark_mf.engine.limits import require_room
from spark_mf.kernels.initial import unit_rows
from spark_mf.kernels.objective import objective
from spark_mf.kernels.random import Purpose
from spark_mf.model import ALSModel
from spark_mf.params import _ALSParams, storage_level, validate_params
from spark_mf.persistence import ParamsReader, ParamsWriter
from spark_mf.progress import Progress, report
from spark_mf.summary import IterationRecord, TrainingSummary

logger = logging.getLogger("spark_mf")

#: Blocks of fewer ratings cost more in tasks than they gain; a default number of blocks is lowered to avoid them.
BLOCK_RATINGS = 4_000_000


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

    def write(self) -> ParamsWriter:
        """Return the writer behind `save`; `write().overwrite().save(path)` replaces what is at the path."""
        return ParamsWriter(self)

    @classmethod
    def read(cls) -> ParamsReader["ALS"]:
        """Return the reader behind `load`."""
        return ParamsReader(cls)

    def _fit(self, dataset: DataFrame) -> ALSModel:
        began = time.perf_counter()
        validate_params(self)
        ratings = select_ratings(
            dataset, self.getUserCol(), self.getItemCol(), self.getRatingCol(), self._validation_column()
        )
        context = dataset.sparkSession.sparkContext
        with ExitStack() as held:
            chunks = chunk_ratings(ratings, storage_level(self.getIntermediateStorageLevel()))
            held.callback(chunks.unpersist)
            census = take_census(chunks)
            _require_usable(census)
            require_room(context, census.users[0].size, census.items[0].size, self.getRank())
            users, items = self._lay_out(context, chunks, census, held)
            chunks.unpersist()
            state = self._initial_state(users.side, items.side)
            setup_seconds = time.perf_counter() - began
            history = self._iterate(context, users, items, state, census, began)
        summary = TrainingSummary(
            history=tuple(history),
            setupSeconds=setup_seconds,
            totalSeconds=time.perf_counter() - began,
            users=len(users.side),
            items=len(items.side),
            ratings=census.ratings,
            validationRatings=census.validation_ratings,
            coldValidationRatings=census.validation_ratings - users.validation_ratings,
            duplicates=users.duplicates,
            regParam=self.getRegParam(),
            regularization=self.getRegularization(),
            solver=self.getSolver(),
        )
        return self._model(dataset, users.side, items.side, state, summary)

    def _validation_column(self) -> str | None:
        # A Param set to None (the constructor's default) counts as not set.
        return self.getValidationIndicatorCol() if self.isSet(self.validationIndicatorCol) else None

    def _lay_out(self, context: SparkContext, chunks: RDD, census: Census, held: ExitStack) -> tuple[Layout, Layout]:
        """Lay the ratings out by user and by item; `held` releases both."""
        seed, level = self.getSeed(), storage_level(self.getIntermediateStorageLevel())
        users = Side.balanced("users", census.users, self._blocks(context, "numUserBlocks", census.users), seed)
        items = Side.balanced("items", census.items, self._blocks(context, "numItemBlocks", census.items), seed)
        by_user = lay_out(context, chunks, users, items, level)
        held.callback(by_user.unpersist)
        by_item = lay_out(context, chunks, items, users, level)
        held.callback(by_item.unpersist)
        if by_user.duplicates:
            logger.info(
                "%d of %d ratings repeat the (user, item) pair of another: each is kept as an observation",
                by_user.duplicates,
                census.ratings,
            )
        return by_user, by_item

    def _blocks(self, context: SparkContext, param: str, ids: tuple[np.ndarray, np.ndarray]) -> int:
        """Return how many blocks a side is cut into: what was asked for, but no more than there are rows."""
        asked, rows = self.getOrDefault(param), ids[0].size
        side = "users" if param == "numUserBlocks" else "items"
        if rows == 1:
            logger.warning("all ratings have one of the %s, id %d: the factors tell nothing apart", side, ids[0][0])
        if not self.isSet(param):
            needed = max(context.defaultParallelism, ids[1].sum() // BLOCK_RATINGS)
            return int(min(asked, needed, rows))
        if asked > rows:
            logger.warning("%s=%d is more than the %d %s: %d blocks are used", param, asked, rows, side, rows)
        return min(asked, rows)

    def _initial_state(self, users: Side, items: Side) -> State:
        """Return random rows of length 1, which depend on nothing but the seed and the position among sorted ids."""
        seed, rank = self.getSeed(), self.getRank()
        return State(
            unit_rows(seed, Purpose.USER_FACTORS, len(users), rank),
            unit_rows(seed, Purpose.ITEM_FACTORS, len(items), rank),
        )

    def _iterate(
        self, context: SparkContext, users: Layout, items: Layout, state: State, census: Census, began: float
    ) -> list[IterationRecord]:
        problem = Subproblem(
            self.getRank(),
            self.getRegParam(),
            self.getRegularization(),
            census.ratings,
            self.getSolver(),
            self.getInnerSteps(),
        )
        engine = BroadcastEngine(context, users, items, problem)
        history = []
        for number, iteration in enumerate(engine.iterate(state, self.getMaxIter()), 1):
            record = _record(number, iteration, problem, users.validation_ratings)
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

    def _model(self, dataset: DataFrame, users: Side, items: Side, state: State, summary: TrainingSummary) -> ALSModel:
        session, level = dataset.sparkSession, storage_level(self.getFinalStorageLevel())
        user_factors = factors_frame(session, users.index.ids, state.users).persist(level)
        item_factors = factors_frame(session, items.index.ids, state.items).persist(level)
        return self._copyValues(ALSModel(user_factors, item_factors, self.getRank(), summary))


def _require_usable(census: Census) -> None:
    faults = {reason: count for reason, count in census.faults.items() if count}
    if faults:
        listed = ", ".join(f"{count} with {reason}" for reason, count in faults.items())
        total = census.ratings + census.validation_ratings + sum(faults.values())
        raise ValueError(f"{listed} are among the {total} rows of the dataset: filter them out or mend them before fit")
    if not census.ratings:
        held_out = census.validation_ratings
        raise ValueError(
            f"all {held_out} rows are marked for validation: leave some false for training"
            if held_out
            else "the dataset has no rows: a fit needs at least one rating"
        )


def _record(number: int, iteration: Iteration, problem: Subproblem, n_validation: int) -> IterationRecord:
    return IterationRecord(
        iteration=number,
        seconds=iteration.seconds,
        objective=objective(iteration.squared_error, iteration.penalties, problem.regularization, problem.n_ratings),
        train_rmse=float(np.sqrt(iteration.squared_error / problem.n_ratings)),
        validation_rmse=float(np.sqrt(iteration.validation_squared_error / n_validation)) if n_validation else None,
    )
