"""The base class of all estimators, with the steps from a dataset to a model that all methods share."""

import time
from abc import abstractmethod
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from pyspark import SparkContext
from pyspark.ml import Estimator
from pyspark.ml.util import MLReadable, MLWritable
from pyspark.sql import DataFrame, SparkSession

from spark_mf.data.columns import require_classic
from spark_mf.exchange.base import Exchange, FitState, IterationResult
from spark_mf.exchange.stopping import StoppingRules
from spark_mf.fitting.checkpoint import Checkpoint, open_checkpoint_folder
from spark_mf.fitting.loop import FitLoop, RunningFit
from spark_mf.fitting.warm_start import InitialModel, load_initial_model
from spark_mf.kernels.jit import report_cache
from spark_mf.kernels.random import Purpose
from spark_mf.kernels.row_layout import RowLayout
from spark_mf.model import FactorModel
from spark_mf.models.factors import factors_frame
from spark_mf.models.persistence import ParamsReader, ParamsWriter
from spark_mf.models.summary import TrainingSummary
from spark_mf.objectives.base import Objective
from spark_mf.objectives.explicit import ExplicitObjective
from spark_mf.objectives.regularization import Regularization
from spark_mf.params.factorization import _FactorizationParams
from spark_mf.params.storage_levels import storage_level
from spark_mf.ratings.base import LaidOutRatings, LayoutPlan, PreparedRatings, RatingsRequest, Sizes
from spark_mf.ratings.dataset import open_ratings
from spark_mf.ratings.string_ids import with_original_ids
from spark_mf.resources.workers import require_workers
from spark_mf.runtime.jobs import job_description
from spark_mf.runtime.running import require_running
from spark_mf.runtime.same_rows import changed_rows_told
from spark_mf.solvers.base import Factors

if TYPE_CHECKING:
    from pyspark.ml._typing import ParamMap

#: Params that do not affect the factors, and maxIter, which a resumed fit may increase.
_ANY_VALUE = frozenset(
    {
        "blockSize",
        "checkpointDir",
        "checkpointInterval",
        "clipPredictions",
        "coldStartStrategy",
        "engine",
        "finalStorageLevel",
        "intermediateStorageLevel",
        "itemCol",
        "maxIter",
        "predictionCol",
        "ratingCol",
        "ringTimeout",
        "userCol",
        "validationIndicatorCol",
        "weightCol",
    }
)

M = TypeVar("M", bound=FactorModel)


class _Factorizer(Estimator[M], _FactorizationParams, MLWritable, MLReadable[Any]):
    """Base class of estimators that factorize ratings.

    Subclasses define their method by the abstract methods; `_fit` is the same for all of them.
    """

    _input_kwargs: dict[str, Any]

    #: Class of the fitted model.
    _model: type[M]
    #: Params that change results by rounding only, so that a fit may resume with other values.
    _ignored_params: ClassVar[tuple[str, ...]] = ()

    def fit(self, dataset: Any, params: "ParamMap | list[ParamMap] | tuple[ParamMap, ...] | None" = None) -> Any:
        """Return a model fitted to ratings, or a list of models for a list of param maps.

        Parameters
        ----------
        dataset : DataFrame or LaidOutRatings
        params : dict of Param to value, or list of dict, optional
            Values that override those of the estimator.

        Raises
        ------
        TypeError
            If the dataset is of another type.
        ValueError, NotImplementedError
            If a Param, a column or a row is invalid, or the dataset is not the same when Spark recomputes it.
        MemoryError
            If the fit needs more memory than the session has.
        ArithmeticError
            If factors become NaN or infinite.
        RuntimeError
            If the workers' Python lacks a required package, or the dataset's session has stopped.
        OSError
            If a checkpoint cannot be written, e.g. because the disk is full.
        """
        if not isinstance(dataset, LaidOutRatings):
            require_classic(dataset)
        with changed_rows_told():
            return super().fit(dataset, params)  # type: ignore[arg-type]

    def write(self) -> ParamsWriter:
        """Return a writer of this estimator; `write().overwrite().save(path)` replaces an existing one."""
        return ParamsWriter(self)

    @classmethod
    def read(cls) -> ParamsReader[Any]:
        """Return a reader of estimators of this class."""
        return ParamsReader(cls)

    @abstractmethod
    def _validate(self) -> None:
        """Raise an error unless every Param has a valid value."""

    @abstractmethod
    def _plan(self, context: SparkContext, sizes: Sizes) -> LayoutPlan:
        """Return the engine and the blocks; raise a MemoryError if the fit needs more memory than there is."""

    @abstractmethod
    def _row_layout(self) -> RowLayout:
        """Return the layout of the rows of both sides."""

    @abstractmethod
    def _initial_factors(self, purpose: Purpose, n_rows: int) -> Factors:
        """Return random factors, float32[n_rows, rank], which depend only on seed, purpose and row."""

    @abstractmethod
    def _rules(self, objective: Objective) -> StoppingRules:
        """Return the stopping rules."""

    @abstractmethod
    def _exchange(
        self,
        context: SparkContext,
        ratings: PreparedRatings,
        objective: Objective,
        rules: StoppingRules,
        mean: float,
        cleanup: ExitStack,
    ) -> Exchange:
        """Return the exchange that runs the iterations; `cleanup` releases its resources."""

    @abstractmethod
    def _diverged(self, result: IterationResult) -> str:
        """Return the error message for an iteration whose factors are not finite."""

    @abstractmethod
    def _solver_name(self) -> str:
        """Return the solver's name in the training summary."""

    def _fit(self, dataset: DataFrame | LaidOutRatings) -> M:
        began = time.perf_counter()
        self._validate()
        session = self._usable_session(dataset)
        context = session.sparkContext
        with ExitStack() as cleanup:
            source = open_ratings(dataset, self._request(), cleanup)
            ratings = source.lay_out(self._plan(context, source.sizes), cleanup)
            objective = self._objective(ratings)
            rules = self._rules(objective)
            checkpoint = self._checkpoint(session, ratings)
            saved = checkpoint.load() if checkpoint is not None else None
            fit = RunningFit.from_saved(saved) if saved else self._start(session, ratings)
            exchange = self._exchange(context, ratings, objective, rules, fit.mean, cleanup)
            loop = FitLoop(
                name=type(self).__name__,
                exchange=exchange,
                rules=rules,
                interval=self.getCheckpointInterval(),
                checkpoint=checkpoint,
                diverged=self._diverged,
            )
            setup_seconds = time.perf_counter() - began
            loop.run(fit, began)
            users, items = self._factor_frames(session, ratings, fit.state)
        summary = self._summary(ratings, fit, time.perf_counter() - began, setup_seconds)
        model = self._model(
            users, items, self.getRank(), summary, fit.mean, (ratings.counts.lowest, ratings.counts.highest)
        )
        return self._copyValues(model)

    def _usable_session(self, dataset: DataFrame | LaidOutRatings) -> SparkSession:
        """Return the dataset's session; raise an error if a fit cannot run there."""
        session = dataset.sparkSession
        require_running(session, "The dataset's", "Create the dataset again in a running session.")
        require_workers(session)
        report_cache()
        path = self.getCheckpointDir()
        if path is not None:
            open_checkpoint_folder(session, path)
        return session

    def _request(self) -> RatingsRequest:
        return RatingsRequest(
            userCol=self.getUserCol(),
            itemCol=self.getItemCol(),
            ratingCol=self.getRatingCol(),
            validationIndicatorCol=self.getValidationIndicatorCol(),
            weightCol=self.getWeightCol(),
            rank=self.getRank(),
            numUserBlocks=self.getNumUserBlocks(),
            numItemBlocks=self.getNumItemBlocks(),
            seed=self.getSeed(),
            level=storage_level(self.getIntermediateStorageLevel()),
        )

    def _objective(self, ratings: PreparedRatings) -> Objective:
        return ExplicitObjective(self._regularization(ratings.counts.weight), ratings.counts.validation_weight)

    def _regularization(self, n_ratings: float) -> Regularization:
        return Regularization(
            kind=self.getRegularization(),
            userRegParam=self.getUserRegParam(),
            itemRegParam=self.getItemRegParam(),
            n_ratings=n_ratings,
            exponent=self.getRegExponent(),
        )

    def _initial_mean(self, ratings: PreparedRatings) -> float:
        """Return μ of a fit that starts from random factors."""
        return 0.0

    def _require_suitable(self, initial: InitialModel) -> None:
        """Raise a ValueError if the fit cannot start from a saved model."""
        return None

    def _mean_of(self, initial: InitialModel, mean: float) -> float:
        """Return μ of a fit that starts from a saved model; `mean` is that of a fit that starts from random factors."""
        return mean

    def _start(self, session: SparkSession, ratings: PreparedRatings) -> RunningFit:
        """Return the initial state: random factors, replaced by those of `initialModel` for rows that it knows."""
        layout, mean = self._row_layout(), self._initial_mean(ratings)
        users = self._initial_factors(Purpose.USER_FACTORS, len(ratings.users))
        items = self._initial_factors(Purpose.ITEM_FACTORS, len(ratings.items))
        user_biases, item_biases = np.zeros(len(users), np.float32), np.zeros(len(items), np.float32)
        path = self.getInitialModel()
        if path is not None:
            initial = load_initial_model(session, path, self.getRank(), ratings)
            self._require_suitable(initial)
            mean = self._mean_of(initial, mean)
            for known, factors, biases in (
                (initial.users, users, user_biases),
                (initial.items, items, item_biases),
            ):
                factors[known.rows] = known.factors
                biases[known.rows] = known.biases
        return RunningFit(FitState(layout.user_rows(users, user_biases), layout.item_rows(items, item_biases)), mean)

    def _checkpoint(self, session: SparkSession, ratings: PreparedRatings) -> Checkpoint | None:
        """Return the checkpoint of a fit with these ratings and Params; None without checkpointDir."""
        path = self.getCheckpointDir()
        if path is None:
            return None
        own = {param.name: self.getOrDefault(param) for param in self.params if self.isDefined(param)}
        # If they are not set, they depend on the size of the session, which may differ when the fit resumes.
        own |= {"numUserBlocks": ratings.users.partition.n_blocks, "numItemBlocks": ratings.items.partition.n_blocks}
        counting = {name: value for name, value in own.items() if name not in (*_ANY_VALUE, *self._ignored_params)}
        identity = {"estimator": type(self).__name__, "ratings": ratings.identity(), **counting}
        return Checkpoint(session, path, identity, self.getMaxIter())

    def _factor_frames(
        self, session: SparkSession, ratings: PreparedRatings, state: FitState
    ) -> tuple[DataFrame, DataFrame]:
        """Return the model's factors, and its biases if there are any, with the ids of the dataset."""
        layout = self._row_layout()
        users = state.users if state.best_users is None else state.best_users
        items = state.items if state.best_items is None else state.best_items
        user_biases = layout.user_biases(users) if layout.bias else None
        item_biases = layout.item_biases(items) if layout.bias else None
        user_ids, item_ids = ratings.users.index.ids, ratings.items.index.ids
        user_frame = factors_frame(session, user_ids, layout.factors(users), user_biases)
        item_frame = factors_frame(session, item_ids, layout.factors(items), item_biases)
        return self._in_original_ids(user_frame, item_frame, ratings)

    def _in_original_ids(
        self, users: DataFrame, items: DataFrame, ratings: PreparedRatings
    ) -> tuple[DataFrame, DataFrame]:
        """Return the factor DataFrames with the ids of the dataset, persisted at finalStorageLevel."""
        level = storage_level(self.getFinalStorageLevel())
        with ExitStack() as on_failure, job_description(users.sparkSession.sparkContext, "restore the ids of factors"):
            users = with_original_ids(users, ratings.user_ids, level)
            on_failure.callback(users.unpersist)
            items = with_original_ids(items, ratings.item_ids, level)
            on_failure.pop_all()
        return users, items

    def _summary(
        self, ratings: PreparedRatings, fit: RunningFit, seconds: float, setup_seconds: float
    ) -> TrainingSummary:
        return TrainingSummary(
            history=tuple(fit.history),
            setupSeconds=setup_seconds,
            totalSeconds=seconds,
            users=len(ratings.users),
            items=len(ratings.items),
            ratings=ratings.ratings,
            validationRatings=ratings.validation_ratings,
            coldValidationRatings=ratings.validation_ratings - ratings.counts.validation_ratings,
            duplicates=ratings.counts.duplicates,
            regParam=self.getRegParam(),
            regularization=self.getRegularization(),
            solver=self._solver_name(),
            engine=ratings.engine,
            bestIteration=fit.progress.best_iteration if fit.state.best_users is not None else None,
            stoppedEarly=fit.progress.stopped_early,
            biasRegParam=self._bias_reg_param(),
        )

    def _bias_reg_param(self) -> float | None:
        """Return the regularization parameter of the biases; None for a model without biases."""
        return None
