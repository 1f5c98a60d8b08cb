"""Studies with small settings on the textbook, and invented rows with known findings."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from spark_mf.benchmarks.environment import numpy_provenance
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.cli.output import OutputFolder
from spark_mf.studies.data import PUBLISHED_RATINGS, load_data
from spark_mf.studies.fits import Fits
from spark_mf.studies.registry import find_study
from spark_mf.studies.settings import ExperimentSettings
from spark_mf.studies.study import run_study
from tests.benchmarks.conftest import make_row as make_row
from tests.benchmarks.conftest import saved as saved
from tests.records import record

TINY: dict[str, Any] = {
    "rank": 2,
    "epochs": 3,
    "iterations": 2,
    "lambdas": (0.001, 0.01),
    "biased_lambdas": (0.01, 0.1),
    "ranks": (1, 2),
    "step_factors": (1.0, 10.0),
    "alphas": (0.5, 2.0),
    "unobserved_weights": (0.1, 1.0),
}


@pytest.fixture
def make_fits() -> Callable[..., Fits]:
    """Function that returns the `Fits` of a study on its own ratings, with small settings that arguments override."""

    def make(**changes: Any) -> Fits:
        settings = ExperimentSettings(**{**TINY, **changes})
        own = PUBLISHED_RATINGS if settings.name is None else find_study(settings).own_ratings
        return Fits(settings=settings, data=load_data(settings, None, own), where=numpy_provenance())

    return make


@pytest.fixture
def left_by(make_fits, tmp_path) -> Callable[..., tuple[Any, Any]]:
    """Function that runs a study like the job, and returns the study and its output folder."""

    def left(name: str, **changes: Any) -> tuple[Any, Any]:
        fits = make_fits(name=name, **changes)
        study = find_study(fits.settings)
        run_study(study, fits, OutputFolder(tmp_path / name, study.files, overwrite=False))
        return study, tmp_path / name

    return left


@pytest.fixture
def make_fitted(make_row) -> Callable[..., ResultRow]:
    """Function that returns the row of a fit with given test RMSEs by epoch, and training RMSEs half as large."""

    def make(label: str, errors: Sequence[float], **changes: Any) -> ResultRow:
        history = tuple(record(k, 0.5, None, error / 2, error) for k, error in enumerate(errors, start=1))
        return make_row(
            **{"label": label, "history": history, "iterations": len(errors), "split": "by hand", **changes}
        )

    return make


@pytest.fixture
def sgd_params() -> dict[str, Any]:
    """Return Params of mini-batch SGD without biases, besides those of all methods."""
    return {
        "stepSize": 0.1, "fitBias": False, "optimizer": "sgd", "schedule": "constant", "decay": 1.0,
        "updateOrder": "simultaneous", "initStd": 0.1, "batchSize": 32,
    }  # fmt: skip
