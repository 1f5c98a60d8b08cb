"""What the estimators have in common: how they are built, saved and called, and how a fit's iterations are kept."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from pyspark.ml import Estimator
from pyspark.ml.util import MLReadable, MLWritable
from pyspark.sql import DataFrame, SparkSession

from spark_mf.fitting.checkpoint import Checkpoint, open_checkpoint_folder
from spark_mf.data.columns import require_classic
from spark_mf.ratings.string_ids import with_original_ids
from spark_mf.runtime.jobs import described
from spark_mf.runtime.running import require_running
from spark_mf.resources.workers import require_workers
from spark_mf.kernels.jit import report_cache
from spark_mf.model import FactorModel
from spark_mf.params.factorization import _FactorizationParams
from spark_mf.ratings.folder import PartitionedRatings
from spark_mf.models.persistence import ParamsReader, ParamsWriter
from spark_mf.ratings.preparation import Planner, PreparedRatings, prepare
from spark_mf.fitting.progress import Progress, report
from spark_mf.runtime.same_rows import changed_rows_told
from spark_mf.params.storage_levels import storage_level
from spark_mf.models.summary import IterationRecord, TrainingSummary

if TYPE_CHECKING:
    from pyspark.ml._typing import ParamMap

#: Params that no factor depends on, and the number of iterations, which may grow.
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
    }
)
_SMALLEST_BLOCK, _LARGEST_BLOCK = 100_000, 4_000_000

M = TypeVar("M", bound=FactorModel)


class _Factorizer(Estimator[M], _FactorizationParams, MLWritable, MLReadable[Any]):
    """An estimator that factorizes ratings."""

    _input_kwargs: dict[str, Any]

    def fit(self, dataset: Any, params: "ParamMap | list[ParamMap] | tuple[ParamMap, ...] | None" = None) -> Any:
        """Fit a model to ratings, or several with other values of Params.

        Parameters
        ----------
        dataset : DataFrame or PartitionedRatings
        params : dict of Param to value, or a list of these, optional

        Raises
        ------
        TypeError
            When the dataset is neither, as a pandas frame is not.
        ValueError, NotImplementedError
            When a Param, a column or a row cannot be used, or the dataset gives other rows when it is computed again.
        MemoryError
            When the session has not the memory that the fit needs.
        ArithmeticError
            When factors are not finite any more.
        RuntimeError
            When the workers' Python lacks what the fit needs, or the dataset's session was stopped.
        OSError
            When checkpointDir cannot take a save any more, as on a full disk.
        """
        if not isinstance(dataset, PartitionedRatings):
            require_classic(dataset)
        with changed_rows_told():
            return super().fit(dataset, params)  # type: ignore[arg-type]

    def write(self) -> ParamsWriter:
        """Return the writer behind `save`; `write().overwrite().save(path)` replaces what is at the path."""
        return ParamsWriter(self)

    @classmethod
    def read(cls) -> ParamsReader[Any]:
        """Return the reader behind `load`."""
        return ParamsReader(cls)

    def _prepare(self, dataset: DataFrame | PartitionedRatings, planner: Planner, held: ExitStack) -> PreparedRatings:
        require_running(dataset.sparkSession, "The dataset's", "Make the dataset again in a session that is running.")
        require_workers(dataset.sparkSession)
        report_cache()
        path = self.getCheckpointDir()
        if path is not None:
            open_checkpoint_folder(dataset.sparkSession, path)
        if isinstance(dataset, PartitionedRatings):
            return dataset.prepare(self, planner, held)
        return prepare(dataset, self, planner, held)

    def _intervals(self, done: int) -> Iterator[range]:
        """Numbers of the iterations to come, as many at a time as checkpointInterval says."""
        last, interval = self.getMaxIter(), self.getCheckpointInterval()
        step = interval if interval > 0 else max(last, 1)
        # Where a fit goes on after a checkpoint, its intervals end where those of an undisturbed one do.
        first = done + 1
        while first <= last:
            end = min(last, -(-first // step) * step)
            yield range(first, end + 1)
            first = end + 1

    def _report(self, record: IterationRecord, began: float) -> None:
        report(
            Progress(
                label=type(self).__name__,
                step=record.iteration,
                total=self.getMaxIter(),
                seconds=record.seconds,
                elapsed=time.perf_counter() - began,
                train_rmse=record.train_rmse,
                validation_rmse=record.validation_rmse,
            )
        )

    def _checkpoint(
        self, session: SparkSession, ratings: PreparedRatings, unlike: tuple[str, ...]
    ) -> Checkpoint | None:
        """Open checkpointDir, where there is one, for a fit with these ratings and Params.

        Parameters
        ----------
        unlike : tuple[str, ...]
            Params that may be others when the fit goes on, besides those that no result depends on.
        """
        path = self.getCheckpointDir()
        if path is None:
            return None
        own = {param.name: self.getOrDefault(param) for param in self.params if self.isDefined(param)}
        # Where they are not set, the session's size decides, which may be another when the fit goes on.
        own |= {"numUserBlocks": ratings.users.partition.n_blocks, "numItemBlocks": ratings.items.partition.n_blocks}
        counting = {name: value for name, value in own.items() if name not in (*_ANY_VALUE, *unlike)}
        identity = {"estimator": type(self).__name__, "ratings": ratings.identity(), **counting}
        return Checkpoint(session, path, identity, self.getMaxIter())

    def _summary(
        self, ratings: PreparedRatings, history: list[IterationRecord], began: float, **own: Any
    ) -> TrainingSummary:
        """Return the summary of a fit that began at `began`; `own` is what only the estimator knows."""
        return TrainingSummary(
            history=tuple(history),
            totalSeconds=time.perf_counter() - began,
            users=len(ratings.users),
            items=len(ratings.items),
            ratings=ratings.ratings,
            validationRatings=ratings.validation_ratings,
            coldValidationRatings=ratings.validation_ratings - ratings.counts.validation_ratings,
            duplicates=ratings.counts.duplicates,
            regParam=self.getRegParam(),
            regularization=self.getRegularization(),
            engine=ratings.engine,
            **own,
        )

    def _in_original_ids(
        self, users: DataFrame, items: DataFrame, ratings: PreparedRatings
    ) -> tuple[DataFrame, DataFrame]:
        """Return the factor frames with the ids of the dataset, persisted as finalStorageLevel says."""
        level = storage_level(self.getFinalStorageLevel())
        with ExitStack() as undone, described(users.sparkSession.sparkContext, "give factors their ids"):
            users = with_original_ids(users, ratings.user_ids, level)
            undone.callback(users.unpersist)
            items = with_original_ids(items, ratings.item_ids, level)
            undone.pop_all()
        return users, items


def default_blocks(n_ratings: int, slots: int) -> int:
    """Blocks of a side where their number is left open: one a task slot, as long as they are neither small nor large.

    Below a hundred thousand ratings a block costs more as a task than it gains; above four million its memory counts.
    """
    return max(1, min(slots, n_ratings // _SMALLEST_BLOCK), n_ratings // _LARGEST_BLOCK)


def validation_rmse(squared_error: float, ratings: PreparedRatings) -> float | None:
    """Root mean squared error over the validation rows of known users and items; None without any."""
    known = ratings.counts.validation_ratings
    return float((squared_error / known) ** 0.5) if known else None
