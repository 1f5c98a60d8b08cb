"""Result rows: what one run of one method gave, one JSON object a line in ``results.jsonl``.

Rows are all that plots and reports know; nothing here needs Spark.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from typing import Annotated, Any, TypeVar, overload

from pydantic import BeforeValidator, ConfigDict, GetPydanticSchema
from typing_extensions import TypedDict

from spark_mf.models.summary import IterationRecord
from spark_mf.ratings.typed_json import from_json

T = TypeVar("T")


def _nested(record: Any) -> Any:
    """Return the flat JSON object of `IterationRecord.to_dict` with its metrics in an object of their own."""
    if not isinstance(record, dict):
        return record
    own = {each.name for each in fields(IterationRecord)} - {"metrics"}
    metrics = {name: value for name, value in record.items() if name not in own}
    return {name: value for name, value in record.items() if name in own} | {"metrics": metrics}


class _RequiredParams(TypedDict):
    """Params that every report shows; those beyond them depend on the estimator."""

    __pydantic_config__ = ConfigDict(strict=True, allow_inf_nan=False, extra="allow")  # type: ignore[misc]

    rank: int
    maxIter: int
    regParam: float
    seed: int


#: Values of Params by name, as JSON has them; a Param that is not set and has no default is left out.
ParamValues = Annotated[dict[str, Any], GetPydanticSchema(lambda _, handler: handler(_RequiredParams))]


class HasParams:
    """Properties of rows that are read from the Params of the estimator."""

    params: ParamValues

    @property
    def rank(self) -> int:
        """Number of factors of each user and item."""
        return self.params["rank"]

    @property
    def regParam(self) -> float:
        """Regularization parameter λ."""
        return self.params["regParam"]

    @property
    def regularization(self) -> str:
        """How λ weights the penalty; pyspark's ALS has no such Param, and its objective is the weighted one."""
        return self.params.get("regularization", "weighted")

    @property
    def seed(self) -> int:
        """Seed of the fit."""
        return self.params["seed"]


@dataclass(frozen=True, kw_only=True)
class ResultRow(HasParams):
    """One run of one method, or its failure.

    Attributes
    ----------
    model : str
        The estimator, such as ``"spark_mf.ALS"``.
    label : str
        The run's name in tables and plots; no two rows of one file share it.
    solver : str | None
        How the model solves a row, where it offers a choice; for SGD its optimizer.
    blocks : int | None
        User blocks, and item blocks; None where the model chose their number.
    dataset : str
        Name of the data set.
    users, items, ratings : int
        Size of the whole data set, training and test rows together.
    test_ratings : int
        Rows of it held out for the test.
    cold_test_ratings : int
        Test rows whose user or item has no training row; no method can predict them, no error counts them.
    duplicates : int
        Rows beyond the first of their (user, item) pair.
    split : str | None
        How the test rows were chosen, in words; None in rows of earlier versions, which drew them at random.
    params : ParamValues
        The estimator's ParamMap by name, defaults included; of a run that failed at least what was set.
    engine : str | None
        How blocks and factors met, as in `TrainingSummary`; None for models that do not say.
    fit_seconds : float | None
        Wall-clock seconds of the whole fit; None when it failed.
    setup_seconds : float | None
        Seconds of it before the first iteration, or the first stage of iterations.
    test_rmse, test_mae : float | None
        Errors over the test rows that are not cold, in units of the ratings.
    history : tuple[IterationRecord, ...]
        The iterations in order; ``validation_rmse`` is the RMSE of the test rows, None where not measured.
    peak_memory_mb : float | None
        Largest resident memory during the fit, in MiB, of driver, JVM and Python workers together.
    objective : float | None
        For implicit feedback, the objective of the fitted model over all pairs of a user and an item that have training
        ratings, computed from its factors by the same function for all models; None where not measured.
    recommend_seconds : float | None
        Seconds in which the fitted model recommends 10 items to every user, the result read to its end; None
        where not measured.
    blas : str | None
        Linear algebra library that the model's JVM was seen to use; None where it was not looked at.
    master, cores, versions, git, started_at
        Where the run happened: Spark master, task slots, software versions, commit (None outside a checkout)
        and start in UTC (ISO 8601).
    error : str | None
        Why the run failed or was refused; None when it did not.
    notes : tuple[str, ...]
        What a reader must know about how the run was measured.
    """

    model: str
    label: str
    solver: str | None
    blocks: int | None
    dataset: str
    users: int
    items: int
    ratings: int
    test_ratings: int
    cold_test_ratings: int
    duplicates: int
    params: ParamValues
    fit_seconds: float | None = None
    setup_seconds: float | None = None
    test_rmse: float | None = None
    test_mae: float | None = None
    history: tuple[Annotated[IterationRecord, BeforeValidator(_nested)], ...] = ()
    peak_memory_mb: float | None = None
    objective: float | None = None
    recommend_seconds: float | None = None
    blas: str | None = None
    master: str
    cores: int
    versions: dict[str, str]
    git: str | None
    started_at: str
    error: str | None = None
    notes: tuple[str, ...] = ()
    split: str | None = None
    engine: str | None = None

    @property
    def iterations(self) -> int:
        """Largest number of iterations, or of SGD's epochs."""
        return self.params["maxIter"]

    @property
    def is_sgd(self) -> bool:
        """Whether the fit is one of SGD, whose iterations are epochs."""
        return "optimizer" in self.params

    @property
    def is_implicit(self) -> bool:
        """Whether the ratings are implicit feedback."""
        return self.params.get("implicitPrefs", False)

    @property
    def final_objective(self) -> float | None:
        """`objective`, or if it was not measured, that of the last iteration."""
        if self.objective is None and self.history:
            return self.history[-1].objective
        return self.objective

    @property
    def seconds_per_iteration(self) -> float | None:
        """Seconds of one iteration: the median of the history, or the mean of the fit without its set-up."""
        if self.history:
            return median(record.seconds for record in self.history)
        if self.fit_seconds is None or self.setup_seconds is None or self.iterations == 0:
            return None
        return (self.fit_seconds - self.setup_seconds) / self.iterations

    @property
    def seconds_outside_iterations(self) -> float | None:
        """Seconds of the fit that are not an iteration's: set-up, starting stages, gathering the model."""
        if self.fit_seconds is None or not self.history:
            return self.setup_seconds
        return max(0.0, self.fit_seconds - sum(record.seconds for record in self.history))

    def to_json(self) -> str:
        """Return one line of JSON, without the line's end, with the Params by name.

        It also holds `rank`, `iterations`, `seed` and `seconds_per_iteration`.

        Raises
        ------
        ValueError
            When a number is NaN or infinite, which JSON does not have.
        """
        history = [record.to_dict() for record in self.history]
        keys = asdict(self) | {"params": dict(sorted(self.params.items())), "history": history}
        keys |= {name: getattr(self, name) for name in ("rank", "iterations", "seed", "seconds_per_iteration")}
        return json.dumps(keys, allow_nan=False, ensure_ascii=False)


def iteration_record(found: Any) -> IterationRecord:
    """Return an iteration of a fit's summary, the textbook's or Spark's, as rows hold it."""
    names = ("objective", "train_rmse", "validation_rmse", "validation_recall", "step_size", "product_change")
    metrics = {name: getattr(found, name, None) for name in names}
    return IterationRecord(found.iteration, found.seconds, metrics, getattr(found, "kernel_seconds", None))


def fastest(rows: Sequence[ResultRow], model: str) -> ResultRow | None:
    """Return the row of ``model`` with the shortest fit, or None when no run of it succeeded."""
    timed = [row for row in rows if row.model == model and row.fit_seconds is not None]
    return min(timed, key=lambda row: row.fit_seconds or 0.0, default=None)


def _upgraded(line: str) -> str:
    """Return a row of an earlier version with `params`, and any other line as it is.

    Earlier versions had λ and its weighting as keys of the row, and the other Params of SGD in a key `step`: with
    `biasRegParam` null for a model without biases, and at first without the size of batches and the patience, which
    were always 1 and 0.
    """
    try:
        row = json.loads(line)
    except ValueError:
        return line
    if not isinstance(row, dict) or "params" in row or not {"rank", "iterations", "regParam"} <= row.keys():
        return line
    params = {name: row[name] for name in ("rank", "regParam", "regularization", "seed") if name in row}
    step = row.get("step")
    if step:
        params |= {"batchSize": 1, "earlyStoppingPatience": 0, "fitBias": step.get("biasRegParam") is not None}
        params |= {name: value for name, value in step.items() if value is not None}
    return json.dumps({**row, "params": {**params, "maxIter": row["iterations"]}})


@overload
def read_rows(path: Path) -> list[ResultRow]: ...
@overload
def read_rows(path: Path, row_type: type[T]) -> list[T]: ...
def read_rows(path: Path, row_type: type[Any] = ResultRow) -> list[Any]:
    """Read the rows of a ``results.jsonl``, dataclasses of ``row_type``; keys that it does not have are ignored.

    Rows of earlier versions get the `params` that they gave key by key.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When a line is no row; the message names file, line and fault.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Pass the path of a results.jsonl.")
    rows: list[Any] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            rows.append(from_json(row_type, _upgraded(line)))
        except ValueError as fault:
            raise ValueError(f"{path}, line {number}: {fault}.") from None
    if not rows:
        raise ValueError(f"{path} must contain at least one row, got none. The run that writes it has not finished.")
    return rows
