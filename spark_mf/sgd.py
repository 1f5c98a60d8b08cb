"""The SGD estimator: what it accepts, and the order in which a fit does things."""

from contextlib import ExitStack

from pyspark import SparkContext, keyword_only

from spark_mf.blocks.strata import Strata
from spark_mf.exchange.base import Exchange, IterationResult
from spark_mf.exchange.ring_sgd import RingSGD
from spark_mf.exchange.sgd_task import SGDTask
from spark_mf.exchange.stages_sgd import StagesSGD
from spark_mf.exchange.stopping import StoppingRules
from spark_mf.fitting.estimator import _Factorizer
from spark_mf.fitting.warm_start import InitialModel
from spark_mf.kernels.initial import normal_rows
from spark_mf.kernels.random import Purpose
from spark_mf.kernels.row_layout import RowLayout
from spark_mf.kernels.sgd import Update, sgd_row_layout
from spark_mf.model import SGDModel
from spark_mf.objectives.explicit import ExplicitObjective
from spark_mf.params.sgd import SEQUENTIAL, _SGDParams, validate_sgd_params
from spark_mf.params.storage_levels import storage_level
from spark_mf.params.values import params_setter
from spark_mf.ratings.base import LayoutPlan, PreparedRatings, Sizes
from spark_mf.ratings.grid import Grid
from spark_mf.resources.blocks import blocks_asked, default_blocks
from spark_mf.resources.engine_selection import RING, choose_engine, task_slots
from spark_mf.resources.limits import require_memory
from spark_mf.resources.memory import sgd_plan
from spark_mf.solvers.base import Factors

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

    _model = SGDModel

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

    def _validate(self) -> None:
        validate_sgd_params(self)

    def _row_layout(self) -> RowLayout:
        return sgd_row_layout(self.getRank(), self.getFitBias(), self.getOptimizer())

    def _rules(self, objective: ExplicitObjective) -> StoppingRules:
        watches = objective.n_validation > 0 or self.getTol() > 0
        return StoppingRules(
            max_iterations=self.getMaxIter(),
            patience=self.getEarlyStoppingPatience() if watches else 0,
            improvement_tol=self.getTol(),
            keeps_best=objective.n_validation > 0,
            schedule=self.getSchedule(),
            decay=self.getDecay(),
        )

    def _solver_name(self) -> str:
        return self.getOptimizer()

    def _bias_reg_param(self) -> float | None:
        return self.getBiasRegParam() if self.getFitBias() else None

    def _initial_factors(self, purpose: Purpose, n_rows: int) -> Factors:
        return normal_rows(self.getSeed(), purpose, n_rows, self.getRank(), self.getInitStd())

    def _initial_mean(self, ratings: PreparedRatings) -> float:
        return ratings.counts.total / ratings.ratings if self.getFitBias() else 0.0

    def _mean_of(self, initial: InitialModel) -> float:
        initial.require_usable(self.getFitBias())
        return initial.globalMean

    def _diverged(self, result: IterationResult) -> str:
        step = self.getStepSize() if result.metrics["step_size"] is None else result.metrics["step_size"]
        return (
            f"epoch {result.number} diverged with a step of {step:g}: its factors are not finite any more; use "
            f"a smaller stepSize, such as {step / 4:g}, or scale very large ratings down"
        )

    def _plan(self, context: SparkContext, sizes: Sizes) -> LayoutPlan:
        slots = task_slots(context)
        user_blocks = self._user_blocks(sizes, slots)
        item_blocks = self._item_blocks(sizes, user_blocks)
        if item_blocks < user_blocks or item_blocks > sizes.items:
            raise ValueError(
                f"{user_blocks} blocks of users and {item_blocks} of {sizes.items} items are no grid to descend on: "
                "use at least as many blocks of items as of users, and fewer blocks of users where there are few items"
            )
        engine = choose_engine(context, self.getEngine(), user_blocks, "stages")
        layout, size = self._row_layout(), sizes.in_blocks(user_blocks, item_blocks, min(slots, user_blocks))
        memory = sgd_plan(size, layout.stride, layout.width, is_ring=engine == RING)
        require_memory(context, type(self).__name__, memory)
        return LayoutPlan(
            engine=engine, user_blocks=user_blocks, item_blocks=item_blocks, n_members=None, needs_items=False
        )

    def _user_blocks(self, sizes: Sizes, slots: int) -> int:
        """As many as asked for, else one a task slot where there are ratings enough."""
        if sizes.user_blocks is not None:
            # Blocks that are laid out already can only be joined, where their number was left open.
            return sizes.user_blocks if self.isSet("numUserBlocks") else min(sizes.user_blocks, slots)
        open_blocks = min(default_blocks(sizes.ratings, slots), slots, sizes.users, sizes.items)
        return blocks_asked("numUserBlocks", self.getNumUserBlocks(), sizes.users) or open_blocks

    def _item_blocks(self, sizes: Sizes, user_blocks: int) -> int:
        """As many as asked for, else enough for one to fit in a cache and one more to be on its way."""
        asked = sizes.item_blocks or blocks_asked("numItemBlocks", self.getNumItemBlocks(), sizes.items)
        if asked is not None:
            return asked
        in_cache = -(-sizes.items * self._row_layout().width * 4 // _BLOCK_BYTES)
        worth = sizes.ratings // (user_blocks * _CELL_RATINGS)
        return max(user_blocks, min(max(in_cache, 2 * user_blocks), worth, sizes.items))

    def _exchange(
        self,
        context: SparkContext,
        ratings: PreparedRatings,
        objective: ExplicitObjective,
        rules: StoppingRules,
        mean: float,
        cleanup: ExitStack,
    ) -> Exchange:
        users, items = ratings.users.partition, ratings.items.partition
        task = SGDTask(
            update=self._update(),
            objective=objective,
            rules=rules,
            strata=Strata(users.n_blocks, items.n_blocks, self.getSeed()),
            mean=mean,
            users=users,
            items=items,
            user_counts=ratings.user_counts,
            item_counts=ratings.item_counts,
        )
        grid = Grid(
            context,
            ratings.by_user,
            users,
            items,
            self.getSeed(),
            storage_level(self.getIntermediateStorageLevel()),
            by_cell=ratings.engine != RING,
        )
        cleanup.callback(grid.unpersist)
        # A lost part of the grid is cut again from the ratings, wherever they come from then.
        if not ratings.is_shared:
            ratings.by_user.members.unpersist()
        if ratings.engine == RING:
            return RingSGD(context, grid, task, self.getRingTimeout())
        return StagesSGD(context, grid, task)

    def _update(self) -> Update:
        return Update(
            layout=self._row_layout(),
            optimizer=self.getOptimizer(),
            stepSize=self.getStepSize(),
            biasStepSize=self.getBiasStepSize(),
            regParam=self.getRegParam(),
            biasRegParam=self.getBiasRegParam(),
            sequential=self.getUpdateOrder() == SEQUENTIAL,
            batchSize=self.getBatchSize(),
            momentum=self.getMomentum(),
            beta1=self.getBeta1(),
            beta2=self.getBeta2(),
            epsilon=self.getEpsilon(),
        )
