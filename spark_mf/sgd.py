"""The SGD estimator: what it accepts, and the order in which a fit does things."""

import time
from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray
from pyspark import SparkContext, keyword_only
from pyspark.sql import DataFrame, SparkSession

from spark_mf.blocks.strata import Strata
from spark_mf.fitting.checkpoint import SavedFit
from spark_mf.resources.engine_selection import RING, choose_engine, task_slots
from spark_mf.engine.course import DIVERGED, FINISHED, NO_BETTER, Course, Rules
from spark_mf.engine.descent import Descent, DescentState, Epoch
from spark_mf.models.factors import factors_frame
from spark_mf.ratings.grid import Grid
from spark_mf.resources.limits import require_memory
from spark_mf.resources.memory import descent_plan
from spark_mf.engine.sgd_ring import RingDescent
from spark_mf.engine.sgd_stages import StagesDescent
from spark_mf.fitting.estimator import _Factorizer, default_blocks, validation_rmse
from spark_mf.kernels.initial import normal_rows
from spark_mf.kernels.random import Purpose
from spark_mf.kernels.sgd import Lanes, Update
from spark_mf.model import SGDModel
from spark_mf.params.values import params_setter
from spark_mf.ratings.folder import PartitionedRatings
from spark_mf.ratings.preparation import Plan, PreparedRatings, Sizes, blocks_asked
from spark_mf.params.sgd import SEQUENTIAL, _SGDParams, validate_sgd_params
from spark_mf.params.storage_levels import storage_level
from spark_mf.models.summary import IterationRecord
from spark_mf.fitting.warm_start import load_initial_model

#: Bytes of an item block's rows that a second-level cache holds beside those of a tile of users.
_BLOCK_BYTES = 512 << 10
#: Below so many ratings in a cell, an epoch's visits cost more than their ratings.
_CELL_RATINGS = 2_000


class SGD(_Factorizer[SGDModel], _SGDParams):
    """Matrix factorization of explicit ratings by stratified stochastic gradient descent, R ≈ μ + b_u + b_i + U Vᵀ.

    The columns, the model and what it does are those of `spark_mf.ALS`; with ``fitBias=False`` so is what a
    prediction is, u·v. One rating at a time (or `batchSize`) it goes down the gradient of

    - ``regularization="weighted"`` (default): Σ e² + λ(Σ n_u‖u‖² + Σ n_i‖v‖²) + λ_b(Σ n_u b_u² + Σ n_i b_i²)
    - ``"plain"``: Σ e² + λ(‖U‖² + ‖V‖²) + λ_b(Σ b_u² + Σ b_i²)
    - ``"mean"``: (1/|Ω|) Σ e² + the same penalty

    over the observed pairs Ω, with e = r − r̂, λ = regParam, λ_b = biasRegParam and n_u, n_i the ratings of a user and
    an item: u += 2·stepSize·(e·v − share·λ·u), where a rating's share of its row's penalty is 1, 1/n_u or |Ω|/n_u
    (Koren, Bell and Volinsky 2009, "Matrix factorization techniques for recommender systems").

    Users are cut into numUserBlocks, items into numItemBlocks (no fewer), and as many cells of that grid as there are
    user blocks are visited at the same time without locks (Gemulla et al. 2011, "Large-scale matrix factorization with
    distributed stochastic gradient descent"). With ``spark.task.cpus=n`` a task visits its cell with n threads that
    do not wait for each other (Niu et al. 2011, "Hogwild!"); results then differ by the order of their updates.
    With one thread the same seed and blocks give the same model, on either engine. Other blocks give another one.
    Where blocks are not set, users have one for each task slot, and items as many as fit a processor's cache.

    With ``engine="ring"`` ratings and user blocks stay with the workers and item blocks travel between them, in one
    barrier stage for checkpointInterval epochs; with ``"stages"`` each stratum is an ordinary stage, which is slower.
    "auto" takes the ring and says so when it cannot: under dynamic allocation, where the session demands network
    encryption, and with more user blocks than task slots.

    The history has, for each epoch, the squared errors of the training ratings as each was visited, and of the
    validation rows (`validationIndicatorCol`) after it. With validation rows the model has the factors of the best
    epoch, and the fit ends after earlyStoppingPatience epochs that were no better.

    `checkpointDir` and `initialModel` work as with ALS; from a model without biases they start at 0, and so does μ. The
    driver and each running task hold both sides' rows, (rank + 2)·4 bytes each and as much again for the optimizer's
    state ("momentum", "adagrad" once, "adam" twice) and for the best epoch.

    Examples
    --------
    >>> ratings = spark.createDataFrame(
    ...     [(0, 0, 4.0), (0, 1, 2.0), (1, 1, 3.0), (1, 2, 4.0), (2, 1, 1.0), (2, 2, 5.0)],
    ...     ["user", "item", "rating"])
    >>> model = SGD(rank=2, maxIter=50, initStd=0.1, seed=0).fit(ratings)
    >>> model.globalMean
    3.1666666666666665
    >>> model.summary.totalIterations
    50
    """

    @keyword_only
    def __init__(
        self,
        *,
        rank: int = 10,
        maxIter: int = 20,
        regParam: float = 0.05,
        stepSize: float = 0.015,
        fitBias: bool = True,
        biasRegParam: float | None = None,
        biasStepSize: float | None = None,
        regularization: str = "weighted",
        optimizer: str = "sgd",
        schedule: str = "exponential",
        decay: float = 0.95,
        updateOrder: str = "simultaneous",
        batchSize: int = 1,
        momentum: float = 0.9,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        initStd: float = 0.01,
        validationIndicatorCol: str | None = None,
        earlyStoppingPatience: int = 10,
        tol: float = 0.0,
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

    def _fit(self, dataset: DataFrame | PartitionedRatings) -> SGDModel:
        began = time.perf_counter()
        validate_sgd_params(self)
        session = dataset.sparkSession
        with ExitStack() as held:
            ratings = self._prepare(dataset, self._plan, held)
            fit = _Fit(self, session, ratings)
            grid = fit.cut(held)
            setup_seconds = time.perf_counter() - began
            with closing(fit.epochs(grid)) as records:
                for record in records:
                    self._report(record, began)
            users, items = self._in_original_ids(*fit.factors(), ratings)
        summary = self._summary(
            ratings,
            fit.history,
            began,
            setupSeconds=setup_seconds,
            solver=self.getOptimizer(),
            bestIteration=fit.course.best_epoch if fit.has_best else None,
            stoppedEarly=fit.course.end == NO_BETTER,
            biasRegParam=self.getBiasRegParam() if self.getFitBias() else None,
        )
        counts = ratings.counts
        model = SGDModel(users, items, self.getRank(), summary, fit.descent.mean, (counts.lowest, counts.highest))
        return self._copyValues(model)

    def _lanes(self) -> Lanes:
        return Lanes(self.getRank(), self.getFitBias(), self.getOptimizer())

    def _plan(self, context: SparkContext, sizes: Sizes) -> Plan:
        """Choose engine and blocks, and refuse what the session has no memory for."""
        slots = task_slots(context)
        user_blocks = self._user_blocks(sizes, slots)
        item_blocks = self._item_blocks(sizes, user_blocks)
        if item_blocks < user_blocks or item_blocks > sizes.items:
            raise ValueError(
                f"{user_blocks} blocks of users and {item_blocks} of {sizes.items} items are no grid to descend on: "
                "use at least as many blocks of items as of users, and fewer blocks of users where there are few items"
            )
        engine = choose_engine(context, self.getEngine(), user_blocks, "stages")
        lanes, size = self._lanes(), sizes.in_blocks(user_blocks, item_blocks, min(slots, user_blocks))
        memory = descent_plan(size, lanes.stride, lanes.width, is_ring=engine == RING)
        require_memory(context, type(self).__name__, memory)
        return Plan(engine, user_blocks, item_blocks, None, needs_items=False)

    def _user_blocks(self, sizes: Sizes, slots: int) -> int:
        """As many as asked for, else one a task slot where there are ratings enough."""
        if sizes.user_blocks is not None:
            # A folder has been cut already; its blocks can only be joined, where their number was left open.
            return sizes.user_blocks if self.isSet("numUserBlocks") else min(sizes.user_blocks, slots)
        open_blocks = min(default_blocks(sizes.ratings, slots), slots, sizes.users, sizes.items)
        return blocks_asked(self, "numUserBlocks", sizes.users) or open_blocks

    def _item_blocks(self, sizes: Sizes, user_blocks: int) -> int:
        """As many as asked for, else enough for one to fit in a cache and one more to be on its way."""
        asked = sizes.item_blocks or blocks_asked(self, "numItemBlocks", sizes.items)
        if asked is not None:
            return asked
        in_cache = -(-sizes.items * self._lanes().width * 4 // _BLOCK_BYTES)
        worth = sizes.ratings // (user_blocks * _CELL_RATINGS)
        return max(user_blocks, min(max(in_cache, 2 * user_blocks), worth, sizes.items))


class _Fit:
    """One fit on its way: rows, course and history, and the checkpoint that keeps them.

    Parameters
    ----------
    params : SGD
    session : SparkSession
    ratings : PreparedRatings
    """

    def __init__(self, params: SGD, session: SparkSession, ratings: PreparedRatings) -> None:
        self._params, self._session, self._ratings = params, session, ratings
        self._lanes = params._lanes()
        self.course = Course()
        self.history: list[IterationRecord] = []
        self._checkpoint = params._checkpoint(session, ratings, ())
        mean, self._state = self._saved() or self._initial()
        self.descent = self._describe(mean)

    @property
    def has_best(self) -> bool:
        """Whether the model has the factors of the best epoch on validation rows."""
        return self._state.best_users is not None

    def cut(self, held: ExitStack) -> Grid:
        """Cut the ratings into cells; `held` frees them."""
        ratings, params = self._ratings, self._params
        level = storage_level(params.getIntermediateStorageLevel())
        grid = Grid(
            self._session.sparkContext,
            ratings.by_user,
            ratings.users.partition,
            ratings.items.partition,
            params.getSeed(),
            level,
            by_cell=ratings.engine != RING,
        )
        held.callback(grid.unpersist)
        # A lost part of the grid is cut anew from the ratings, wherever they come from then.
        ratings.by_user.members.unpersist()
        return grid

    def epochs(self, grid: Grid) -> Generator[IterationRecord]:
        """Run the epochs that are not saved yet, and save them on the way.

        Raises
        ------
        ArithmeticError
            When the descent diverged.
        """
        context, params = self._session.sparkContext, self._params
        engine: RingDescent | StagesDescent
        if self._ratings.engine == RING:
            engine = RingDescent(context, grid, self.descent, params.getRingTimeout())
        else:
            engine = StagesDescent(context, grid, self.descent)
        for numbers in params._intervals(len(self.history)):
            if self.course.end == NO_BETTER:
                return
            # Closed at once, whatever happens, so that the engine frees what it has sent.
            with closing(engine.run(self._state, self.course, numbers)) as epochs:
                for epoch, course in epochs:
                    self.course = course
                    self._require_finite(epoch)
                    self.history.append(self._record(epoch))
                    yield self.history[-1]
            self._save()

    def factors(self) -> tuple[DataFrame, DataFrame]:
        """The model's factors, and biases where it has them, with the ids or keys of the ratings."""
        state, lanes = self._state, self._lanes
        users = state.users if state.best_users is None else state.best_users
        items = state.items if state.best_items is None else state.best_items
        user_biases: NDArray[np.float32] | None = None
        item_biases: NDArray[np.float32] | None = None
        if lanes.fitBias:
            user_biases, item_biases = lanes.user_biases(users), lanes.item_biases(items)
        ids = self._ratings.users.index.ids, self._ratings.items.index.ids
        return (
            factors_frame(self._session, ids[0], lanes.factors(users), user_biases),
            factors_frame(self._session, ids[1], lanes.factors(items), item_biases),
        )

    def _saved(self) -> tuple[float, DescentState] | None:
        """Return μ and the rows of a fit that was saved, and take up its course and history; None without one."""
        saved = self._checkpoint.load() if self._checkpoint else None
        if saved is None:
            return None
        self.history = list(saved.history)
        self.course = Course(**saved.progress["course"])
        if self.course.end == FINISHED:
            # A fit that had run all its epochs may go on with a larger maxIter.
            self.course = replace(self.course, end=None)
        return saved.progress["mean"], DescentState(**saved.arrays)

    def _initial(self) -> tuple[float, DescentState]:
        """Return μ and the rows to start from: random ones, or what `initialModel` knows."""
        params, ratings = self._params, self._ratings
        seed, rank, deviation = params.getSeed(), params.getRank(), params.getInitStd()
        users = normal_rows(seed, Purpose.USER_FACTORS, len(ratings.users), rank, deviation)
        items = normal_rows(seed, Purpose.ITEM_FACTORS, len(ratings.items), rank, deviation)
        user_biases, item_biases = np.zeros(len(users), np.float32), np.zeros(len(items), np.float32)
        mean = ratings.counts.total / ratings.ratings if params.getFitBias() else 0.0
        path = params.getInitialModel()
        if path is not None:
            initial = load_initial_model(self._session, path, rank, ratings)
            initial.require_usable(path, params.getFitBias())
            mean = initial.globalMean
            for known, factors, biases in (
                (initial.users, users, user_biases),
                (initial.items, items, item_biases),
            ):
                factors[known.rows] = known.factors
                biases[known.rows] = known.biases
        lanes = self._lanes
        return mean, DescentState(lanes.user_rows(users, user_biases), lanes.item_rows(items, item_biases))

    def _describe(self, mean: float) -> Descent:
        params, ratings = self._params, self._ratings
        update = Update(
            lanes=self._lanes,
            stepSize=params.getStepSize(),
            biasStepSize=params.getBiasStepSize(),
            regParam=params.getRegParam(),
            biasRegParam=params.getBiasRegParam(),
            sequential=params.getUpdateOrder() == SEQUENTIAL,
            batchSize=params.getBatchSize(),
            momentum=params.getMomentum(),
            beta1=params.getBeta1(),
            beta2=params.getBeta2(),
            epsilon=params.getEpsilon(),
        )
        n_validation = ratings.counts.validation_ratings
        watches = n_validation or params.getTol() > 0
        rules = Rules(
            epochs=params.getMaxIter(),
            schedule=params.getSchedule(),
            decay=params.getDecay(),
            patience=params.getEarlyStoppingPatience() if watches else 0,
            tol=params.getTol(),
            regularization=params.getRegularization(),
            n_ratings=ratings.ratings,
            n_validation=n_validation,
        )
        users, items = ratings.users.partition, ratings.items.partition
        strata = Strata(users.n_blocks, items.n_blocks, params.getSeed())
        return Descent(update, rules, strata, mean, users, items, ratings.user_counts, ratings.item_counts)

    def _record(self, epoch: Epoch) -> IterationRecord:
        return IterationRecord(
            iteration=self.course.epoch,
            seconds=epoch.seconds,
            objective=self.course.objective,
            train_rmse=float(np.sqrt(epoch.sums.squared_error / self._ratings.ratings)),
            validation_rmse=validation_rmse(epoch.sums.validation_squared_error, self._ratings),
            step_size=self.descent.update.stepSize * epoch.step,
            kernel_seconds=epoch.sums.kernel_seconds,
        )

    def _require_finite(self, epoch: Epoch) -> None:
        if self.course.end == DIVERGED:
            step = self.descent.update.stepSize * epoch.step
            raise ArithmeticError(
                f"epoch {self.course.epoch} diverged with a step of {step:g}: its factors are not finite any more; use "
                f"a smaller stepSize, such as {step / 4:g}, or scale very large ratings down"
            )

    def _save(self) -> None:
        if self._checkpoint is None:
            return
        arrays = {name: rows for name, rows in vars(self._state).items() if rows is not None}
        progress = {"course": asdict(self.course), "mean": self.descent.mean}
        self._checkpoint.save(SavedFit(tuple(self.history), arrays, progress))
