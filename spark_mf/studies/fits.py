"""Fits of a study as result rows, for the estimators of the textbook and of Spark."""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from typing import Any

from spark_mf.benchmarks.environment import Provenance, utc_now
from spark_mf.benchmarks.measuring import HELD_OUT, RatingCounts, first_sentence, release
from spark_mf.benchmarks.methods import param_values
from spark_mf.benchmarks.rows import ParamValues, ResultRow, iteration_record
from spark_mf.studies.data import StudyData
from spark_mf.studies.settings import SPARK, TEXTBOOK, ExperimentSettings
from spark_mf.textbook.estimator import Estimator as TextbookEstimator

logger = logging.getLogger(__name__)

_PACKAGES = {TEXTBOOK: "spark_mf.textbook", SPARK: "spark_mf"}


@dataclass(frozen=True, kw_only=True)
class Fits:
    """Fits estimators to the ratings of a study.

    Attributes
    ----------
    settings : ExperimentSettings
    data : StudyData
    where : Provenance
        Environment of the fits, for the rows.
    row_type : type[ResultRow]
        Type of the rows.
    measure : Callable[[Any], dict[str, Any]]
        Returns further values of a row, by name, from the fitted model; they override those of `ResultRow`.
    """

    settings: ExperimentSettings
    data: StudyData
    where: Provenance
    row_type: type[ResultRow] = ResultRow
    measure: Callable[[Any], dict[str, Any]] = lambda model: {}

    def als(self, label: str, **changes: Any) -> ResultRow:
        """Fit ALS with the hyperparameters of the study; `changes` overrides Params."""
        tuning = self.settings.tuning
        return self._run(label, "ALS", {"maxIter": tuning.iterations, **changes})

    def sgd(self, label: str, **changes: Any) -> ResultRow:
        """Fit SGD without biases, with single ratings, a constant step size and, by default, no early stopping."""
        tuning = self.settings.tuning
        own = {
            "maxIter": tuning.epochs,
            "stepSize": tuning.step_size,
            "fitBias": False,
            "initStd": tuning.init_std,
            "optimizer": "sgd",
            "schedule": "constant",
            "batchSize": 1,
            "earlyStoppingPatience": 0,
        }
        return self._run(label, "SGD", own | changes)

    def batch_sgd(self, label: str, **changes: Any) -> ResultRow:
        """Fit SGD in batches."""
        tuning = self.settings.tuning
        return self.sgd(label, **{"batchSize": tuning.batch_size, "stepSize": tuning.batch_step_size, **changes})

    def momentum_sgd(self, label: str, **changes: Any) -> ResultRow:
        """Fit SGD in batches, with momentum."""
        step = self.settings.tuning.momentum_step_size
        return self.batch_sgd(label, **{"optimizer": "momentum", "stepSize": step, **changes})

    def biased_sgd(self, label: str, **changes: Any) -> ResultRow:
        """Fit SGD in batches, with biases."""
        tuning = self.settings.tuning
        own = {"fitBias": True, "biasRegParam": tuning.bias_reg_param, "stepSize": tuning.biased_step_size}
        return self.batch_sgd(label, **own | changes)

    def _run(self, label: str, name: str, changes: dict[str, Any]) -> ResultRow:
        tuning = self.settings.tuning
        shared = {
            "rank": tuning.rank,
            "regParam": tuning.reg_param,
            "regularization": tuning.regularization,
            "seed": self.settings.seed,
        }
        params = shared | changes
        package = _PACKAGES[self.settings.runner]
        known = self._known(package, label, name, params)
        try:
            estimator = getattr(import_module(package), name)(**params, validationIndicatorCol=HELD_OUT)
            known["params"] = params_of(estimator)
            start = time.perf_counter()
            model = estimator.fit(self.data.ratings)
            seconds = time.perf_counter() - start
            history = tuple(map(iteration_record, model.summary.history))
            measured = {"test_rmse": history[-1].validation_rmse} | self.measure(model)
            release(model)
            row = self.row_type(
                **known,
                fit_seconds=seconds,
                setup_seconds=getattr(model.summary, "setupSeconds", None),
                engine=getattr(model.summary, "engine", None),
                history=history,
                **measured,
            )
            row.to_json()  # raises an error for infinite and NaN values, which a fit that diverged has
        except Exception as fault:  # The result of a fit that diverged is its error, and the other fits must still run.
            row = self.row_type(**known, error=first_sentence(fault))
        logger.info("%s", _line(row))
        return row

    def _known(self, package: str, label: str, name: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a row that are known before the fit, with the current time as its start."""
        counts = self.data.counts
        return {
            **{each.name: getattr(counts, each.name) for each in fields(RatingCounts)},
            **vars(self.where),
            "params": params,
            "model": f"{package}.{name}",
            "label": label,
            "solver": params.get("optimizer", "cholesky"),
            "blocks": None,
            "started_at": utc_now(),
        }


def params_of(estimator: Any) -> ParamValues:
    """Return the Params of an estimator of the textbook or of Spark by name, as rows hold them."""
    if not isinstance(estimator, TextbookEstimator):
        return param_values(estimator)
    params = {name: value for name, value in asdict(estimator).items() if value is not None}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in params.items()}


def _line(row: ResultRow) -> str:
    """Return the log line of a finished fit."""
    if row.error:
        return f"{row.label}: {row.error}"
    passes = f"{len(row.history)} {'epochs' if row.is_sgd else 'iterations'}"
    return f"{row.label}: test RMSE {row.test_rmse:.4f} after {passes}, {row.fit_seconds:.1f} s"
