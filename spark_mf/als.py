"""The ALS estimator: what it accepts, and the order in which a fit does things."""

import time
from contextlib import ExitStack

import numpy as np
from pyspark import SparkContext, keyword_only
from pyspark.sql import DataFrame, SparkSession

from spark_mf.als_params import _ALSParams, validate_als_params
from spark_mf.checkpoint import SavedFit
from spark_mf.engine.als_ring import RingEngine
from spark_mf.engine.broadcast import BroadcastEngine
from spark_mf.engine.choice import RING, choose_engine, task_slots
from spark_mf.engine.factors import factors_frame
from spark_mf.engine.half_step import Subproblem
from spark_mf.engine.iteration import Iteration, State
from spark_mf.engine.limits import require_room
from spark_mf.factorizer import _Factorizer, default_blocks, validation_rmse
from spark_mf.kernels.initial import unit_rows
from spark_mf.kernels.objective import objective
from spark_mf.kernels.random import Purpose
from spark_mf.model import ALSModel
from spark_mf.partitioned import PartitionedRatings
from spark_mf.preparation import Plan, PreparedRatings, Sizes, blocks_asked
from spark_mf.summary import IterationRecord
from spark_mf.warm_start import load_initial_model

# Params that change results by rounding only: a saved fit may go on with others.
_UNLIKE = ("numUserBlocks", "numItemBlocks")


class ALS(_Factorizer[ALSModel], _ALSParams):
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
    the numbers of blocks are not set, they are as many as keep the cores busy and each block between a hundred thousand
    and about 4 million ratings.

    With ``engine="ring"`` blocks and factors stay with the workers, in one barrier stage for checkpointInterval
    iterations; with ``"broadcast"`` factors pass the driver in every half-step, and stages are ordinary ones. Results
    are the same to rounding. "auto" takes the ring, except under dynamic allocation and where the session demands
    network encryption. The factors, n·rank·4 bytes, have to fit in the driver and in each running task.

    With `checkpointDir` the fit is saved every checkpointInterval iterations, and the same fit goes on from there.
    `initialModel` names a saved model to start from, of ALS or SGD; biases are left out, and `asPlain` includes them.

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
        clipPredictions: bool = False,
        regularization: str = "weighted",
        solver: str = "cholesky",
        innerSteps: int = 3,
        engine: str = "auto",
        ringTimeout: float = 60.0,
        checkpointDir: str | None = None,
        initialModel: str | None = None,
    ) -> None:
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _fit(self, dataset: DataFrame | PartitionedRatings) -> ALSModel:
        began = time.perf_counter()
        validate_als_params(self)
        session = dataset.sparkSession
        with ExitStack() as held:
            ratings = self._prepare(dataset, self._plan, held)
            setup_seconds = time.perf_counter() - began
            state, history = self._iterate(session, ratings, began)
            users = factors_frame(session, ratings.users.index.ids, state.users)
            items = factors_frame(session, ratings.items.index.ids, state.items)
            users = self._in_original_ids(users, ratings.user_ids)
            items = self._in_original_ids(items, ratings.item_ids)
        summary = self._summary(
            ratings, history, began, setupSeconds=setup_seconds, solver=self.getSolver(), bestIteration=None
        )
        rating_range = ratings.counts.lowest, ratings.counts.highest
        return self._copyValues(ALSModel(users, items, self.getRank(), summary, ratingRange=rating_range))

    def _plan(self, context: SparkContext, sizes: Sizes) -> Plan:
        """Choose engine and blocks, and refuse what the driver cannot take."""
        slots = task_slots(context)
        open_blocks = default_blocks(sizes.ratings, slots)
        user_blocks = sizes.user_blocks or blocks_asked(self, "numUserBlocks", sizes.users)
        item_blocks = sizes.item_blocks or blocks_asked(self, "numItemBlocks", sizes.items)
        user_blocks = user_blocks or min(open_blocks, sizes.users)
        item_blocks = item_blocks or min(open_blocks, sizes.items)
        n_members = min(slots, user_blocks, item_blocks)
        engine = choose_engine(context, self.getEngine(), n_members, "broadcast")
        # What passes the driver at a time: both sides' factors after a stage of the ring, else those of one.
        is_ring = engine == RING
        rows = (sizes.users + sizes.items, 0) if is_ring else (sizes.users, sizes.items)
        require_room(context, *rows, self.getRank())
        return Plan(engine, user_blocks, item_blocks, n_members if is_ring else None, needs_items=True)

    def _initial_state(self, session: SparkSession, ratings: PreparedRatings) -> State:
        """Return random rows of length 1, which depend on nothing but the seed and the position among sorted ids,
        and where `initialModel` knows a user or an item, its factors."""
        seed, rank = self.getSeed(), self.getRank()
        state = State(
            unit_rows(seed, Purpose.USER_FACTORS, len(ratings.users), rank),
            unit_rows(seed, Purpose.ITEM_FACTORS, len(ratings.items), rank),
        )
        path = self.getInitialModel()
        if path is not None:
            initial = load_initial_model(session, path, rank, ratings)
            state.users[initial.users.rows] = initial.users.factors
            state.items[initial.items.rows] = initial.items.factors
        return state

    def _iterate(
        self, session: SparkSession, ratings: PreparedRatings, began: float
    ) -> tuple[State, list[IterationRecord]]:
        """Run the iterations that are not saved yet, and save them on the way."""
        problem = Subproblem(
            self.getRank(),
            self.getRegParam(),
            self.getRegularization(),
            ratings.ratings,
            self.getSolver(),
            self.getInnerSteps(),
        )
        history: list[IterationRecord] = []
        checkpoint = self._checkpoint(session, ratings, _UNLIKE)
        saved = checkpoint and checkpoint.load()
        if saved:
            history = list(saved.history)
            state = State(saved.arrays["users"], saved.arrays["items"])
        else:
            state = self._initial_state(session, ratings)
        engine = self._engine(session.sparkContext, ratings, problem)
        for numbers in self._intervals(len(history)):
            for number, iteration in zip(numbers, engine.iterate(state, numbers, self.getMaxIter()), strict=True):
                history.append(_record(number, iteration, problem, ratings))
                self._report(history[-1], began)
            if checkpoint:
                checkpoint.save(SavedFit(tuple(history), {"users": state.users, "items": state.items}, {}))
        return state, history

    def _engine(
        self, context: SparkContext, ratings: PreparedRatings, problem: Subproblem
    ) -> BroadcastEngine | RingEngine:
        assert ratings.by_item is not None
        if ratings.engine == RING:
            return RingEngine(context, ratings.by_user, ratings.by_item, problem, self.getRingTimeout())
        return BroadcastEngine(context, ratings.by_user, ratings.by_item, problem)


def _record(number: int, iteration: Iteration, problem: Subproblem, ratings: PreparedRatings) -> IterationRecord:
    return IterationRecord(
        iteration=number,
        seconds=iteration.seconds,
        objective=objective(iteration.squared_error, iteration.penalties, problem.regularization, problem.n_ratings),
        train_rmse=float(np.sqrt(iteration.squared_error / problem.n_ratings)),
        validation_rmse=validation_rmse(iteration.validation_squared_error, ratings),
    )
