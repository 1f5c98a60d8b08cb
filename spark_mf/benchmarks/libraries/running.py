"""Fits of libraries for implicit feedback, each in a process of an environment that has them."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from spark_mf.benchmarks.implicit_objective import Factors, IndexedRatings
from spark_mf.kernels.initial import unit_rows
from spark_mf.kernels.random import Purpose

_SCRIPT = Path(__file__).with_name("fit_library.py")
HOW_TO_GET = "Run `make bench-env` to create it, or pass another Python with --library-python"


@dataclass(frozen=True)
class LibraryFit:
    """What a library returned.

    Attributes
    ----------
    user_factors, item_factors : float32[n_users, rank], float32[n_items, rank]
    seconds : tuple[float, ...]
        Of each iteration.
    setup_seconds : float
        Of the rest of the fit, without reading the ratings.
    version : str
    """

    user_factors: Factors
    item_factors: Factors
    seconds: tuple[float, ...]
    setup_seconds: float
    version: str


def library_python(path: str) -> Path:
    """Return the Python of the libraries' environment as an absolute path.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    # Absolute but not resolved: the target of the link in the environment is the Python outside it.
    python = Path(path).absolute()
    if not python.is_file():
        raise FileNotFoundError(
            "not measured: --library-python must be the Python of an environment with implicit and irspack, got "
            f"{path}, which does not exist. {HOW_TO_GET}."
        )
    return python


def fit_library(
    python: Path, library: str, ratings: IndexedRatings, params: Mapping[str, Any], threads: int
) -> LibraryFit:
    """Fit a library to implicit feedback, from the same initial factors as `spark_mf.ALS`.

    Parameters
    ----------
    python : Path
        From `library_python`.
    library : str
        "implicit" or "irspack".
    ratings : IndexedRatings
        All > 0.
    params : Mapping[str, Any]
        Params of the `spark_mf.ALS` with the same objective and solver, with regularization="plain".
    threads : int

    Raises
    ------
    ValueError
        If a rating is not positive, because the libraries have no preference 0 with a confidence.
    RuntimeError
        If the process fails; the message has the last line of its error output.
    """
    if ratings.ratings.min() <= 0:
        raise ValueError(f"ratings must be > 0 for {library}, got {ratings.ratings.min():g}.")
    # As in spark_mf.ALS, an iteration begins with the items, so they are the rows of the matrix.
    sizes = {
        "rows": (Purpose.ITEM_FACTORS, ratings.item_ids.size),
        "columns": (Purpose.USER_FACTORS, ratings.user_ids.size),
    }
    initial = {name: unit_rows(params["seed"], *place, params["rank"]) for name, place in sizes.items()}
    weights = np.float32(params["alpha"]) * ratings.ratings
    shape = ratings.item_ids.size, ratings.user_ids.size
    matrix = csr_matrix((weights, (ratings.items, ratings.users)), shape)
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder) / "given.npz", Path(folder) / "result.npz"
        csr = {"indptr": matrix.indptr, "indices": matrix.indices, "weights": matrix.data, "shape": np.array(shape)}
        np.savez(given, allow_pickle=False, **csr, **initial)
        answer = _run(python, [str(given), str(result), json.dumps({**params, "library": library, "threads": threads})])
        with np.load(result) as factors:
            items, users = factors["rows"], factors["columns"]
    return LibraryFit(users, items, tuple(answer["seconds"]), answer["setup_seconds"], answer["version"])


def _run(python: Path, arguments: list[str]) -> dict[str, Any]:
    # BLAS calls come from the library's own threads, and `implicit` asks for one BLAS thread each.
    threads = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    # Without PYTHONPATH and with -P, the environment has only its own packages.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | threads
    command = [str(python), "-P", str(_SCRIPT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise RuntimeError(f"not measured: the library's process failed: {lines[-1]}. {HOW_TO_GET}.")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
