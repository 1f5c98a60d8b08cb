"""Script that fits a library for implicit feedback, for the Python of an environment that has it.

Usage: python fit_library.py INPUT.npz OUTPUT.npz '{"library": "irspack", "solver": "cg", …}'

That environment has neither pyspark nor spark_mf, so this file imports only NumPy, SciPy and the library. All libraries
minimise Σ c(p − u·v)² + λ(‖U‖² + ‖V‖²) over all pairs, with c = 1 + weight and p = 1 for the entries of the matrix, and
c = 1 and p = 0 for all other pairs. They begin an iteration with the rows of the matrix.

Input: `indptr`, `indices`, `weights` and `shape` of the matrix in CSR format, and the initial factors `rows` and
`columns`. Output: the fitted `rows` and `columns`. The script prints one line of JSON with the version of the library,
`setup_seconds`, and `seconds` of each iteration.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Factors = NDArray[np.float32]
#: Seconds of each iteration, and the factors of rows and of columns.
Fit = tuple[list[float], Factors, Factors]


def fit_implicit(weights: csr_matrix, rows: Factors, columns: Factors, asked: Mapping[str, Any]) -> Fit:
    """Fit `implicit.als.AlternatingLeastSquares`, whose matrix has the confidences c."""
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=rows.shape[1],
        regularization=asked["regParam"],
        alpha=1.0,
        dtype=np.float32,
        use_cg=asked["solver"] == "cg",
        iterations=asked["maxIter"],
        num_threads=asked["threads"],
    )
    if asked["solver"] == "cg":
        model.cg_steps = asked["innerSteps"]
    model.user_factors, model.item_factors = rows, columns
    confidences = csr_matrix((1 + weights.data, weights.indices, weights.indptr), weights.shape)
    seconds: list[float] = []
    model.fit(confidences, show_progress=False, callback=lambda _, elapsed, __: seconds.append(elapsed))
    return seconds, model.user_factors, model.item_factors


def fit_irspack(weights: csr_matrix, rows: Factors, columns: Factors, asked: Mapping[str, Any]) -> Fit:
    """Fit the trainer of `irspack.IALSRecommender`, whose original loss has c = alpha0 + matrix, p = 1."""
    from irspack.recommenders.ials import IALSTrainer, LossType, SolverType

    solvers = {"cholesky": SolverType.CHOLESKY, "cg": SolverType.CG, "subspace": SolverType.IALSPP}
    trainer = IALSTrainer(
        weights,
        n_components=rows.shape[1],
        alpha0=1.0,
        reg=asked["regParam"],
        nu=0.0,  # λ counts once for each row.
        init_std=0.1,  # The initial factors are replaced.
        solver_type=solvers[asked["solver"]],
        max_cg_steps=asked.get("innerSteps", 3),
        ialspp_subspace_dimension=asked.get("subspaceSize", rows.shape[1]),
        loss_type=LossType.ORIGINAL,
        random_seed=0,
        n_threads=asked["threads"],
        prediction_time_max_cg_steps=1,
        prediction_time_ialspp_iteration=1,
    )
    trainer.core_trainer.user, trainer.core_trainer.item = rows, columns
    seconds = []
    for _ in range(asked["maxIter"]):
        began = time.perf_counter()
        trainer.run_epoch()
        seconds.append(time.perf_counter() - began)
    return seconds, np.asarray(trainer.core_trainer.user), np.asarray(trainer.core_trainer.item)


MODULES = {"implicit": "implicit.als", "irspack": "irspack.recommenders.ials"}
FITS: dict[str, Callable[[csr_matrix, Factors, Factors, Mapping[str, Any]], Fit]] = {
    "implicit": fit_implicit,
    "irspack": fit_irspack,
}


def main(given: str, result: str, request: str) -> None:
    """Fit the library that the request names, write its factors and print its seconds."""
    asked = json.loads(request)
    library = asked["library"]
    with np.load(given) as arrays:
        matrix = csr_matrix((arrays["weights"], arrays["indices"], arrays["indptr"]), tuple(arrays["shape"]))
        rows, columns = arrays["rows"], arrays["columns"]
    import_module(MODULES[library])  # Importing it is no part of a fit.
    began = time.perf_counter()
    seconds, rows, columns = FITS[library](matrix, rows, columns, asked)
    setup = time.perf_counter() - began - sum(seconds)
    np.savez(result, rows=rows, columns=columns)
    print(json.dumps({"version": version(library), "setup_seconds": max(0.0, setup), "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
