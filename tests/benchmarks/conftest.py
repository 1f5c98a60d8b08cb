"""Rows of an invented comparison, and recorded figures, for tests without Spark."""

import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from spark_mf.benchmarks.rows import ResultRow
from tests.records import record

RowMaker = Callable[..., ResultRow]

#: Keyword arguments that change a Param, by the names of `ResultRow`.
PARAMS = {
    "rank": "rank",
    "iterations": "maxIter",
    "regParam": "regParam",
    "regularization": "regularization",
    "seed": "seed",
}


def a_row(**changes: Any) -> ResultRow:
    """Return a run of 4 iterations, with 1 s of set-up and 0.5 s per iteration; `params` adds or changes Params."""
    given = {PARAMS[name]: changes.pop(name) for name in PARAMS.keys() & changes.keys()}
    params = {"rank": 16, "maxIter": 4, "regParam": 0.1, "regularization": "weighted", "seed": 7}
    params |= given | changes.pop("params", {})
    values: dict[str, Any] = {
        "model": "spark_mf.ALS",
        "label": "spark_mf.ALS, cholesky",
        "solver": "cholesky",
        "blocks": 2,
        "dataset": "ratings.csv",
        "users": 610,
        "items": 9_724,
        "ratings": 100_836,
        "test_ratings": 10_012,
        "cold_test_ratings": 391,
        "duplicates": 0,
        "params": params,
        "fit_seconds": 3.0,
        "setup_seconds": 1.0,
        "test_rmse": 0.875,
        "test_mae": 0.671,
        "history": tuple(record(k, 0.5, 1000.0 / k, 0.6 + 0.1 / k, 0.85 + 0.1 / k) for k in range(1, 5)),
        "peak_memory_mb": 1234.5,
        "master": "local[2]",
        "cores": 2,
        "versions": {"python": "3.11.2", "pyspark": "4.3.0"},
        "git": "0123456789abcdef0123456789abcdef01234567",
        "started_at": "2026-01-02T03:04:05+00:00",
    }
    return ResultRow(**{**values, **changes})


def a_row_of_sgd(**changes: Any) -> ResultRow:
    """Return a run of 8 epochs with biases, with 2 s in total and 0.125 s per epoch."""
    params = {
        "stepSize": 0.01, "fitBias": True, "biasStepSize": 0.005, "biasRegParam": 0.02, "optimizer": "sgd",
        "schedule": "exponential", "decay": 0.9, "updateOrder": "simultaneous", "initStd": 0.1,
    }  # fmt: skip
    history = tuple(record(k, 0.125, 900.0 / k, 0.7 + 1 / k, 0.8 + 1 / k, 0.01 * 0.9 ** (k - 1)) for k in range(1, 9))
    values: dict[str, Any] = {
        "model": "spark_mf.SGD", "label": "spark_mf.SGD, biases", "solver": "sgd", "blocks": None, "iterations": 8,
        "regParam": 0.05, "fit_seconds": 2.0, "setup_seconds": 0.5, "test_rmse": 0.84, "history": history,
        "engine": "ring",
    }  # fmt: skip
    return a_row(**{**values, **changes, "params": params | changes.get("params", {})})


@pytest.fixture
def make_row_of_sgd() -> RowMaker:
    """Function that returns a row of SGD; keyword arguments override values."""
    return a_row_of_sgd


@pytest.fixture
def make_row() -> RowMaker:
    """Function that returns a row of known values; keyword arguments override values."""
    return a_row


@pytest.fixture
def comparison() -> list[ResultRow]:
    """Two runs of spark_mf.ALS, two of pyspark.ALS (the second the faster one), and one that failed."""
    sparse = tuple(record(k, 2.0, None, None, 0.9 if k in (1, 4) else None) for k in range(1, 5))
    return [
        a_row(),
        a_row(label="spark_mf.ALS, cg", solver="cg", fit_seconds=2.0, test_rmse=0.88),
        a_row(
            model="pyspark.ALS",
            label="pyspark.ALS, 10 blocks",
            blocks=10,
            fit_seconds=24.0,
            setup_seconds=4.0,
            test_rmse=0.878,
            history=(),
        ),
        a_row(
            model="pyspark.ALS",
            label="pyspark.ALS, 2 blocks",
            fit_seconds=12.0,
            setup_seconds=4.0,
            test_rmse=0.879,
            history=sparse,
            notes=("RMSE by iteration: from further fits.",),
        ),
        a_row(
            label="spark_mf.ALS, broken",
            fit_seconds=None,
            setup_seconds=None,
            test_rmse=None,
            test_mae=None,
            history=(),
            peak_memory_mb=None,
            error="no memory left",
        ),
    ]


@pytest.fixture(scope="session")
def library_stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment with NumPy stand-ins for the libraries implicit and irspack."""
    folder = tmp_path_factory.mktemp("libraries")
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    stubs = Path(__file__).parent / "libraries" / "stubs"
    (site / "stubs.pth").write_text(f"{stubs}\n{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    for name, version in (("implicit", "0.7.3"), ("irspack", "0.5.2")):
        (site / f"{name}-{version}.dist-info").mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (site / f"{name}-{version}.dist-info" / "METADATA").write_text(metadata, encoding="utf-8")
    return folder / "bin" / "python"


@pytest.fixture
def saved(monkeypatch):
    """List of all saved figures."""
    figures = []
    save = Figure.savefig

    def remember(figure, *given, **named):
        figures.append(figure)
        save(figure, *given, **named)

    monkeypatch.setattr(Figure, "savefig", remember)
    return figures
