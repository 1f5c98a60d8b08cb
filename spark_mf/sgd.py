"""The SGD estimator: matrix factorization by stratified stochastic gradient descent."""

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
from spark_mf.kernels.objective import Counts
from spark_mf.kernels.random import Purpose
from spark_mf.kernels.row_layout import RowLayout
from spark_mf.kernels.sgd import Update, sgd_row_layout
from spark_mf.model import SGDModel
from spark_mf.objectives.base import Objective
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

#: Bytes of an item block's rows that fit in a second-level cache beside a tile of users.
_BLOCK_BYTES = 512 << 10
#: In cells with fewer ratings, the overhead of visiting a cell exceeds the work on its ratings.
_CELL_RATINGS = 2_000


class SGD(_Factorizer[SGDModel], _SGDParams):
    """Matrix factorization of explicit ratings by stratified stochastic gradient descent, R ≈ μ + b_u + b_i + U Vᵀ.

    The columns and the model are those of `spark_mf.ALS`, plus a global mean and biases, which ``fitBias=False`` leaves
    out. It updates the model after every rating, or after every `batchSize` ratings, along the negative gradient of

    - ``regularization="weighted"`` (default): Σ e² + λ(Σ n_u‖u‖² + Σ n_i‖v‖²) + λ_b(Σ n_u b_u² + Σ n_i b_i²)
    - ``"plain"``: Σ e² + λ(‖U‖² + ‖V‖²) + λ_b(Σ b_u² + Σ b_i²)
    - ``"mean"``: (1/|Ω|) Σ e² + the same penalty
    - ``"frequency"``: as "weighted", with n_u^ν and n_i^ν in place of n_u and n_i, ν = regExponent

    over the observed pairs Ω, where e = r − r̂, λ = regParam, or userRegParam and itemRegParam, λ_b = biasRegParam, and
    n_u and n_i are the numbers of ratings of a user and an item: u += 2·stepSize·(e·v − share·λ·u), where a rating's
    share of its row's penalty is 1, 1/n_u, |Ω|/n_u or n_u^(ν−1) (Koren, Bell and Volinsky 2009, "Matrix factorization
    techniques for recommender systems"). With `weightCol`, the weight of a rating multiplies its update, and n_u, n_i,
    |Ω| and μ are sums of weights and the weighted mean.

    Users are partitioned into numUserBlocks and items into numItemBlocks blocks (at least as many). Tasks work on the
    cells of this grid in strata of cells that share no row or column, so they need no locks (Gemulla et al. 2011,
    "Large-scale matrix factorization with distributed stochastic gradient descent"). With ``spark.task.cpus=n`` a task
    works on its cell with n lock-free threads (Niu et al. 2011, "Hogwild!"), and results depend on the order of their
    updates. With one thread the same seed and blocks give the same model on either engine; other blocks give another
    model. If the numbers of blocks are not set, there is one user block per task slot, and each item block fits in a
    processor cache.

    With ``engine="ring"`` ratings and user blocks stay in the workers and item blocks travel between them, in one
    barrier stage per checkpointInterval epochs. With ``engine="stages"`` each stratum is an ordinary stage, which is
    slower. "auto" selects the ring and logs a warning if the ring cannot run: under dynamic allocation, if the session
    requires network encryption, and with more user blocks than task slots.

    The training errors in the history are those of each rating just before its update; the validation errors
    (`validationIndicatorCol`) are those after the epoch. With validation rows the model has the factors of the best
    epoch, and the fit stops after earlyStoppingPatience consecutive epochs without improvement.

    `checkpointDir` and `initialModel` work as in ALS; if the initial model has no biases, the biases and μ start at 0.
    The driver and each running task hold the rows of both sides, (rank + 2)·4 bytes each, the optimizer's state (the
    same amount once for "momentum" and "adagrad", twice for "adam"), and the rows of the best epoch.

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
        userRegParam: float | None = None,
        itemRegParam: float | None = None,
        regExponent: float | None = None,
        weightCol: str | None = None,
    ) -> None:
        super().__init__()
        self._set(**self._input_kwargs)

    setParams = params_setter(__init__)

    def _validate(self) -> None:
        validate_sgd_params(self)

    def _row_layout(self) -> RowLayout:
        return sgd_row_layout(self.getRank(), self.getFitBias(), self.getOptimizer())

    def _rules(self, objective: Objective) -> StoppingRules:
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
        return ratings.counts.mean if self.getFitBias() else 0.0

    def _require_suitable(self, initial: InitialModel) -> None:
        initial.require_usable(self.getFitBias())

    def _mean_of(self, initial: InitialModel, mean: float) -> float:
        return initial.globalMean

    def _diverged(self, result: IterationResult) -> str:
        step = self.getStepSize() if result.metrics["step_size"] is None else result.metrics["step_size"]
        return (
            f"factors must be finite, got NaN or infinity in epoch {result.number} with a learning rate of {step:g}. "
            f"Use a smaller stepSize, such as {step / 4:g}, or scale very large ratings down."
        )

    def _plan(self, context: SparkContext, sizes: Sizes) -> LayoutPlan:
        slots = task_slots(context)
        user_blocks = self._user_blocks(sizes, slots)
        item_blocks = self._item_blocks(sizes, user_blocks)
        if item_blocks < user_blocks or item_blocks > sizes.items:
            raise ValueError(
                f"numItemBlocks must be >= numUserBlocks and <= the number of items, got {item_blocks} item blocks for "
                f"{user_blocks} user blocks and {sizes.items} items. Set numItemBlocks accordingly, or use fewer user "
                "blocks."
            )
        engine = choose_engine(context, self.getEngine(), user_blocks, "stages")
        layout, size = self._row_layout(), sizes.in_blocks(user_blocks, item_blocks, min(slots, user_blocks))
        memory = sgd_plan(size, layout.stride, layout.width, is_ring=engine == RING)
        require_memory(context, type(self).__name__, memory)
        return LayoutPlan(
            engine=engine, user_blocks=user_blocks, item_blocks=item_blocks, n_members=None, needs_items=False
        )

    def _user_blocks(self, sizes: Sizes, slots: int) -> int:
        """Return numUserBlocks, by default one block per task slot if there are enough ratings."""
        if sizes.user_blocks is not None:
            # Blocks that are laid out already can only be merged, and only if numUserBlocks is not set.
            return sizes.user_blocks if self.isSet("numUserBlocks") else min(sizes.user_blocks, slots)
        open_blocks = min(default_blocks(sizes.ratings, slots), slots, sizes.users, sizes.items)
        return blocks_asked("numUserBlocks", self.getNumUserBlocks(), sizes.users) or open_blocks

    def _item_blocks(self, sizes: Sizes, user_blocks: int) -> int:
        """Return numItemBlocks, by default enough for a block to fit in a cache while another one is in flight."""
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
        objective: Objective,
        rules: StoppingRules,
        mean: float,
        cleanup: ExitStack,
    ) -> Exchange:
        assert isinstance(objective, ExplicitObjective)
        users, items = ratings.users.partition, ratings.items.partition
        counts: tuple[Counts, Counts] = (ratings.user_counts, ratings.item_counts)
        if ratings.weighted:
            counts = ratings.by_user.weights(len(items))
        task = SGDTask(
            update=self._update(),
            objective=objective,
            rules=rules,
            strata=Strata(users.n_blocks, items.n_blocks, self.getSeed()),
            mean=mean,
            users=users,
            items=items,
            user_counts=counts[0],
            item_counts=counts[1],
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
        # Spark recomputes a lost partition of the grid from the source of the ratings.
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
            regParam=self.getUserRegParam(),
            itemRegParam=self.getItemRegParam(),
            biasRegParam=self.getBiasRegParam(),
            sequential=self.getUpdateOrder() == SEQUENTIAL,
            batchSize=self.getBatchSize(),
            momentum=self.getMomentum(),
            beta1=self.getBeta1(),
            beta2=self.getBeta2(),
            epsilon=self.getEpsilon(),
        )
