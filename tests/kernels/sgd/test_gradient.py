"""The gradient that training follows, against central differences of the whole objective."""

import itertools

import numpy as np
import pytest

from spark_mf.kernels import sgd as fast
from spark_mf.kernels.reference import sgd as plain
from spark_mf.kernels.sgd import Cell, Update, sgd_row_layout

N_USERS, N_ITEMS, RANK, MEAN = 5, 4, 3, 3.2
REG, BIAS_REG = 0.3, 0.2

rng = np.random.default_rng(11)
PAIRS = np.array([pair for pair in itertools.product(range(N_USERS), range(N_ITEMS)) if pair != (2, 1)])[:-2]
CELL = Cell(
    PAIRS[:, 0].astype(np.int32),
    PAIRS[:, 1].astype(np.int32),
    rng.uniform(1, 5, len(PAIRS)).astype(np.float32),
    np.array([0, len(PAIRS)]),
)
COUNTS = {"user": np.bincount(CELL.rows), "item": np.bincount(CELL.columns)}

Parameters = dict[str, np.ndarray]


def objective(parameters: Parameters, bias: bool, weighing: str) -> float:
    """Σ e² and the penalty, rating by rating as textbooks write it; for "mean" all times the number of ratings."""
    total = 0.0
    for user, item, value in zip(CELL.rows, CELL.columns, CELL.values, strict=True):
        prediction = MEAN + parameters["user"][user] @ parameters["item"][item]
        if bias:
            prediction += parameters["user bias"][user] + parameters["item bias"][item]
        total += (float(value) - prediction) ** 2
    for side in ("user", "item"):
        counts, ones = COUNTS[side], np.ones(len(COUNTS[side]))
        weights = {"weighted": counts * ones, "plain": ones, "mean": len(PAIRS) * ones}[weighing]
        total += weights @ (REG * (parameters[side] ** 2).sum(axis=1))
        if bias:
            total += weights @ (BIAS_REG * parameters[side + " bias"] ** 2)
    return total


def numerical_gradient(parameters: Parameters, bias: bool, weighing: str) -> Parameters:
    distance = 1e-5
    gradient = {}
    for name, values in parameters.items():
        gradient[name] = np.zeros_like(values)
        for place in np.ndindex(values.shape):
            sides = []
            for sign in (1, -1):
                moved = {key: value.copy() for key, value in parameters.items()}
                moved[name][place] += sign * distance
                sides.append(objective(moved, bias, weighing))
            gradient[name][place] = (sides[0] - sides[1]) / (2 * distance)
    return gradient


def followed_gradient(
    module, parameters: Parameters, bias: bool, weighing: str, dtype: type[np.floating]
) -> Parameters:
    """What one batch of all ratings subtracts at a step of 1, which is the sum of the ratings' gradients."""
    layout = sgd_row_layout(RANK, bias, "sgd")
    users = layout.user_rows(parameters["user"], parameters.get("user bias")).astype(dtype)
    items = layout.item_rows(parameters["item"], parameters.get("item bias")).astype(dtype)
    before = users.copy(), items.copy()
    shares = [
        {"weighted": np.ones(len(counts)), "plain": 1 / counts, "mean": len(PAIRS) / counts}[weighing].astype(dtype)
        for counts in COUNTS.values()
    ]
    update = Update(layout, "sgd", 1.0, 1.0, REG, BIAS_REG, False, len(PAIRS))
    module.train(CELL, np.zeros(1, np.int32), users, items, *shares, MEAN, update)
    users, items = before[0] - users, before[1] - items
    gradient = {"user": layout.factors(users), "item": layout.factors(items)}
    if bias:
        gradient |= {"user bias": layout.user_biases(users), "item bias": layout.item_biases(items)}
    return gradient


@pytest.mark.parametrize("weighing", ["weighted", "plain", "mean"])
@pytest.mark.parametrize("bias", [True, False])
def test_gradient_equals_central_differences(bias, weighing):
    draw = np.random.default_rng(12)
    parameters = {"user": draw.normal(0, 0.5, (N_USERS, RANK)), "item": draw.normal(0, 0.5, (N_ITEMS, RANK))}
    if bias:
        parameters |= {"user bias": draw.normal(0, 0.3, N_USERS), "item bias": draw.normal(0, 0.3, N_ITEMS)}
    # The kernel's rows are float32, so the point of comparison has to be one.
    parameters = {name: values.astype(np.float32).astype(np.float64) for name, values in parameters.items()}
    numerical = numerical_gradient(parameters, bias, weighing)
    for module, dtype, tolerance in ((plain, np.float64, 1e-6), (fast, np.float32, 1e-5)):
        followed = followed_gradient(module, parameters, bias, weighing, dtype)
        assert followed.keys() == numerical.keys()
        for name, expected in numerical.items():
            scale = np.abs(expected).max()
            np.testing.assert_allclose(followed[name], expected, rtol=0, atol=tolerance * scale)
