"""One timed run of one method, made into a result row."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pyspark import StorageLevel
from pyspark.ml import Model
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_mf.benchmarks.environment import PeakMemory, Provenance, utc_now
from spark_mf.benchmarks.methods import Method, param_values
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.cli.phases import phase
from spark_mf.data.held_out import cold_rows, split_marked
from spark_mf.evaluation.metrics import RatingErrors, rating_errors
from spark_mf.models.summary import IterationRecord, TrainingSummary

logger = logging.getLogger(__name__)

_WARM_UP_RATINGS = 100_000
_WARM_UP_ITERATIONS = 2
HELD_OUT = "held_out"


@dataclass(frozen=True, kw_only=True)
class RatingCounts:
    """Name and size of a split data set, as in `ResultRow`."""

    dataset: str
    users: int
    items: int
    ratings: int
    test_ratings: int
    cold_test_ratings: int
    duplicates: int
    split: str | None = None


@dataclass(frozen=True, kw_only=True)
class SplitRatings(RatingCounts):
    """Cached training and test rows (columns ``user``, ``item``, ``rating``) and what was counted in them."""

    train: DataFrame
    test: DataFrame

    def marked(self) -> DataFrame:
        """Return all rows, with the column `HELD_OUT` as ``validationIndicatorCol``, true for test rows."""
        train = self.train.withColumn(HELD_OUT, F.lit(False))
        return train.unionByName(self.test.withColumn(HELD_OUT, F.lit(True)))


def split_and_count(name: str, marked: DataFrame, how: str | None = None) -> SplitRatings:
    """Take marked ratings apart, cache both parts and count what is in them.

    Parameters
    ----------
    name : str
        Of the data set.
    marked : DataFrame (user, item, rating, split)
        As `spark_mf.data.splitting` marks them; validation rows are left out.
    how : str | None
        How the test rows were chosen, as in `ResultRow`.

    Raises
    ------
    ValueError
        When no training or no test rows are left.
    """
    parts = split_marked(marked.select("user", "item", "rating", "split"))
    train, test = (part.persist(StorageLevel.MEMORY_AND_DISK) for part in (parts.train, parts.test))
    train_count, test_count = train.count(), test.count()
    for part, count in (("training", train_count), ("test", test_count)):
        if count == 0:
            raise ValueError(
                f"{name}: the split must leave at least one {part} row, got none of {train_count + test_count}. Use "
                "more ratings or another split."
            )
    everything = train.unionByName(test)
    pairs = everything.select("user", "item").distinct().count()
    cold = cold_rows(train, test)
    logger.info("%s: %s test rows, among them %s", name, f"{test_count:,}", cold)
    return SplitRatings(
        dataset=name,
        train=train,
        test=test,
        users=everything.select("user").distinct().count(),
        items=everything.select("item").distinct().count(),
        ratings=train_count + test_count,
        test_ratings=test_count,
        cold_test_ratings=cold.total,
        duplicates=train_count + test_count - pairs,
        split=how,
    )


class Bench:
    """Runs methods on the same rows, and makes their result rows.

    Parameters
    ----------
    data : SplitRatings
        The rows.
    where : Provenance
        What the rows say of the session.
    """

    def __init__(self, data: SplitRatings, where: Provenance) -> None:
        self._data = data
        self._where = where

    def warm_up(self, methods: Sequence[Method], use: Callable[[Any], object] | None = None) -> None:
        """Fit each method once on a sample, so that no timed fit pays for what the first in a session pays.

        That is class loading and just-in-time compilation in the JVM, and Python workers that start and load
        kernels.
        A method that fails here is left to fail where its row is made.

        Parameters
        ----------
        methods : Sequence[Method]
            What is fitted.
        use : Callable[[Any], object] | None
            What else will be done with the models, done once with each.
        """
        fraction = min(1.0, _WARM_UP_RATINGS / max(1, self._data.ratings))
        for method in methods:
            sample = self._data.train.sample(fraction=fraction, seed=method.params["seed"])
            with phase(f"{method.label}: warm-up"):
                try:
                    model = _fit(method, sample, maxIter=_WARM_UP_ITERATIONS)
                    rating_errors(model.transform(self._data.test))
                    if use is not None:
                        use(model)
                    release(model)
                except Exception as fault:
                    logger.warning("%s: warm-up failed: %s", method.label, first_sentence(fault))

    def run(self, method: Method) -> ResultRow:
        """Fit once on the clock and evaluate; a failure becomes a row with ``error``."""
        row, model = self.run_for_model(method)
        if model is not None:
            release(model)
        return row

    def run_for_model(self, method: Method) -> tuple[ResultRow, Any]:
        """As `run`, but return the model too, None when the run failed; the caller releases it."""
        row = unmeasured_row(method, self._data, self._where)
        try:
            with phase(f"{method.label}: fitting", ticking=not method.keeps_history), PeakMemory() as memory:
                start = time.perf_counter()
                estimator = method.estimator()
                model = estimator.fit(self._data.train)
                seconds = time.perf_counter() - start
            if not method.is_implicit:  # Its predictions are preferences, which have no error in units of the ratings.
                with phase(f"{method.label}: test error"):
                    errors = self._test_errors(model)
                row = replace(row, test_rmse=errors.rmse, test_mae=errors.mae)
            row = replace(
                row,
                params=param_values(estimator),
                fit_seconds=seconds,
                # Workers on other machines are not seen from here.
                peak_memory_mb=memory.megabytes if self._where.master.startswith("local") else None,
            )
            if method.keeps_history:
                summary: TrainingSummary = model.summary
                setup, engine = summary.setupSeconds, summary.engine
                row = replace(row, setup_seconds=setup, history=summary.history, engine=engine)
            row.to_json()  # A number that JSON does not have (RMSE nan) is a failure of the run.
            return row, model
        except Exception as fault:  # Whatever it was, the other methods' rows are still wanted.
            logger.warning("%s failed: %s", method.label, first_sentence(fault))
            unmeasured = unmeasured_row(method, self._data, self._where)
            return replace(unmeasured, started_at=row.started_at, error=first_sentence(fault)), None

    def add_validation_history(self, method: Method, row: ResultRow) -> ResultRow:
        """Put the test RMSE of each iteration into the history of a method that keeps one.

        The timed fit is not asked for it, as pyspark's is not.  A second fit, with the same seed and the test
        rows as validation rows, is; seconds, objective and training RMSE stay those of the timed fit.
        """
        with phase(f"{method.label}: fitting again, with the test rows as validation rows"):
            model = _fit(method, self._data.marked(), validationIndicatorCol=HELD_OUT)
            release(model)
        history = tuple(
            replace(timed, metrics={**timed.metrics, "validation_rmse": validated.validation_rmse})
            for timed, validated in zip(row.history, model.summary.history, strict=True)
        )
        note = "RMSE by iteration: from a second fit with the same seed, which is not in the times."
        return replace(row, history=history, notes=(*row.notes, note))

    def add_setup(self, method: Method, row: ResultRow) -> ResultRow:
        """Measure the set-up of a method without history as a fit of no iterations, and fill in its history.

        Each iteration gets the mean seconds of the rest of the timed fit; the last one gets its test RMSE.
        """
        assert row.fit_seconds is not None
        with phase(f"{method.label}: set-up alone", ticking=True):
            setup, model = self._untimed_fit(method, 0)
            release(model)
        # On tiny data the noise of two separate fits can exceed the iterations themselves.
        setup = min(setup, row.fit_seconds)
        mean = (row.fit_seconds - setup) / row.iterations
        history = tuple(
            IterationRecord(k, mean, {"validation_rmse": row.test_rmse if k == row.iterations else None})
            for k in range(1, row.iterations + 1)
        )
        note = "Set-up: seconds of a separate fit with maxIter=0; an iteration: mean of the rest of the fit."
        return replace(row, setup_seconds=setup, history=history, notes=(*row.notes, note))

    def add_refits(self, method: Method, row: ResultRow, iterations: Sequence[int]) -> ResultRow:
        """Put the errors at some iterations and the last one into the history, each from a fit that stops there.

        The last one's test RMSE stays that of the timed fit.
        """
        points = sorted({k for k in iterations if k < row.iterations})
        if not points:
            return row
        points.append(row.iterations)
        stops = ", ".join(map(str, points))
        with phase(f"{method.label}: fitting again, up to iteration {stops}", ticking=True):
            refits = {k: self._refit(method, k) for k in points}
        history = []
        for record in row.history:
            if record.iteration in refits:
                train, test = refits[record.iteration]
                is_timed = record.iteration == row.iterations
                errors = {"train_rmse": train, "validation_rmse": row.test_rmse if is_timed else test}
                record = replace(record, metrics={**record.metrics, **errors})
            history.append(record)
        note = f"RMSE by iteration: from further fits with maxIter = {stops}, which are not in the times."
        return replace(row, history=tuple(history), notes=(*row.notes, note))

    def _refit(self, method: Method, iterations: int) -> tuple[float | None, float | None]:
        """Return RMSE of the training rows and of the test rows after so many iterations."""
        _, model = self._untimed_fit(method, iterations)
        rmse = rating_errors(model.transform(self._data.train)).rmse, self._test_errors(model).rmse
        release(model)
        return rmse

    def _untimed_fit(self, method: Method, iterations: int) -> tuple[float, Model]:
        start = time.perf_counter()
        model = _fit(method, self._data.train, maxIter=iterations)
        return time.perf_counter() - start, model

    def _test_errors(self, model: Model) -> RatingErrors:
        errors = rating_errors(model.transform(self._data.test))
        if errors.cold_rows != self._data.cold_test_ratings:
            raise ValueError(
                f"the model must predict all test rows except the {self._data.cold_test_ratings} cold ones, got "
                f"{errors.cold_rows} rows without a prediction, so its errors are not comparable."
            )
        return errors


def _fit(method: Method, ratings: DataFrame, **changes: Any) -> Any:
    """Fit a method with other values of some Params."""
    estimator = method.estimator()
    return estimator.fit(ratings, {estimator.getParam(name): value for name, value in changes.items()})


def unmeasured_row(method: Method, data: RatingCounts, where: Provenance) -> ResultRow:
    """Return a row with all that is known before the run, which starts now."""
    return ResultRow(
        model=method.model,
        label=method.label,
        solver=method.solver,
        blocks=method.blocks,
        dataset=data.dataset,
        users=data.users,
        items=data.items,
        ratings=data.ratings,
        test_ratings=data.test_ratings,
        cold_test_ratings=data.cold_test_ratings,
        duplicates=data.duplicates,
        split=data.split,
        params=method.params,
        master=where.master,
        cores=where.cores,
        versions=where.versions,
        git=where.git,
        started_at=utc_now(),
    )


def release(model: Any) -> None:
    """Let go what a model keeps cached; it is not used any more."""
    for name in ("userFactors", "itemFactors"):
        if hasattr(model, name):
            getattr(model, name).unpersist()


def first_sentence(fault: BaseException) -> str:
    """Return the first line of an exception's message, or its type when it has none."""
    lines = str(fault).strip().splitlines()
    return lines[0] if lines else type(fault).__name__
