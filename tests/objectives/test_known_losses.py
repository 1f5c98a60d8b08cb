"""The loss of a block from the losses that a solver knows, against a pass over the ratings."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from spark_mf.blocks.csr import RatingBlock
from spark_mf.exchange.half_step import HalfStepTask, solve_block
from spark_mf.exchange.stopping import StoppingRules
from spark_mf.objectives import explicit, implicit
from spark_mf.ratings.layout import LaidOutBlock
from spark_mf.solvers.cholesky import CholeskySolver
from spark_mf.solvers.descent import LineSearchSolver
from spark_mf.solvers.nnls import NNLSSolver
from spark_mf.solvers.subspace import SubspaceSolver
from tests.objectives.test_weights import ITEMS, MODELS, RANK, USERS, fixed_rows, objective_of, random_block

SOLVERS: dict[str, Any] = {
    "cholesky": CholeskySolver(),
    "cg": LineSearchSolver(conjugate=True, steps=3, tolerance=0.0),
    "gd": LineSearchSolver(conjugate=False, steps=3, tolerance=0.0),
    "nnls": NNLSSolver(),
}
SUPPORTED = [pair for pair in product(MODELS, SOLVERS) if pair != ("biased", "nnls")]
PASSES = ((explicit, "squared_error"), (implicit, "weighted_products"))


def block_of(training: RatingBlock) -> LaidOutBlock:
    empty = np.empty(0, np.int32)
    return LaidOutBlock(0, training, RatingBlock.from_triples(training.rows, empty, empty, np.empty(0, np.float32)))


def metrics(block: LaidOutBlock, objective: Any, solver: Any, fixed: np.ndarray, measured: np.ndarray) -> dict:
    """The metrics of one half-step for users."""
    task = HalfStepTask("ALS", fixed.shape[1], objective, solver, StoppingRules(max_iterations=1))
    begun, rows, measured_rows = task.begin(fixed, measured)
    old = np.random.default_rng(4).standard_normal((USERS, fixed.shape[1])).astype(np.float32)
    solved = solve_block(block, "user", rows, objective.side_sums(fixed), old, begun, measured_rows)
    return {name: value for name, value in objective.metrics(solved.loss).items() if value is not None}


def count_passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that gets a name for each pass over training ratings."""
    passes: list[str] = []
    for module, name in PASSES:
        kernel = getattr(module, name)

        def counted(*arguments: Any, kernel: Any = kernel, name: str = name) -> Any:
            if arguments[1].size:
                passes.append(name)
            return kernel(*arguments)

        monkeypatch.setattr(module, name, counted)
    return passes


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("model", "solver"), SUPPORTED)
def test_known_losses_give_the_metrics_of_a_pass(monkeypatch, model, solver, weighted):
    passes = count_passes(monkeypatch)
    rng = np.random.default_rng(5)
    block, fixed = block_of(random_block(rng, weighted, n=200)), fixed_rows(rng, model, solver)
    objective = objective_of(model, "weighted", block.training)
    if solver == "nnls":
        objective = replace(objective, nonnegative=True)
    known = metrics(block, objective, SOLVERS[solver], fixed, fixed)
    assert passes == []
    # With other factors to measure, even equal ones, the solver's losses do not count.
    passed = metrics(block, objective, SOLVERS[solver], fixed, fixed.copy())
    assert len(passes) == 1
    assert known == pytest.approx(passed, rel=1e-5)


@pytest.mark.parametrize("solver", ["cholesky", "cg", "gd"])
def test_a_pass_is_made_where_rounding_would_matter(monkeypatch, solver):
    """The ratings are inner products, so that nothing but rounding is left of the errors."""
    passes = count_passes(monkeypatch)
    rng = np.random.default_rng(3)
    fixed, users = fixed_rows(rng, "explicit"), rng.standard_normal((USERS, RANK)).astype(np.float32)
    rows, columns = (part.reshape(-1).astype(np.int32) for part in np.indices((USERS, ITEMS)))
    kept = (rows + columns) % 4 > 0
    values = (users @ fixed.T)[rows[kept], columns[kept]]
    block = block_of(RatingBlock.from_triples(np.arange(USERS, dtype=np.int32), rows[kept], columns[kept], values))
    objective = objective_of("explicit", "plain", block.training)
    tiny = type(objective)(type(objective.regularization)("plain", 1e-6, 1e-6, values.size))
    enough = LineSearchSolver(solver == "cg", 400, 0.0) if solver != "cholesky" else SOLVERS[solver]
    found = metrics(block, tiny, enough, fixed, fixed)
    assert len(passes) == 1
    assert 0 <= found["train_rmse"] < 1e-4


def test_solvers_that_know_no_losses_leave_a_pass_to_the_objective(monkeypatch):
    passes = count_passes(monkeypatch)
    rng = np.random.default_rng(2)
    block, fixed = block_of(random_block(rng)), fixed_rows(rng, "explicit")
    objective = objective_of("explicit", "weighted", block.training)
    found = metrics(block, objective, SubspaceSolver(2), fixed, fixed)
    assert passes == ["squared_error"]
    assert found["train_rmse"] > 0
