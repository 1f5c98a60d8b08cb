"""The kernels of stochastic gradient descent against their twins, hand-worked steps and central differences."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spark_mf.kernels import sgd as fast
from spark_mf.kernels.reference import sgd as plain
from spark_mf.kernels.sgd import OPTIMIZERS, Cell, Update, sgd_row_layout

N_USERS, N_ITEMS = 30, 12
MEAN = 3.1

#: The plain kernel is compiled for each width and number of whole vectors of factors: all kinds of tails, few of each.
RANKS = st.sampled_from([1, 6, 7, 8, 14, 15, 30, 33, 64, 199, 200])
SHAPES = st.tuples(
    st.integers(0, 2**32 - 1),  # seed
    RANKS,
    st.booleans(),  # fitBias
    st.sampled_from(OPTIMIZERS),
    st.lists(st.integers(0, 40), max_size=3),  # ratings of each tile: with so few rows many pairs come twice
    st.booleans(),  # weights
)


def random_share(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.uniform(0.1, 1, n).astype(np.float32)


class Problem:
    """Random rows of both sides, and a cell of random ratings; positions in tiles do not matter to training."""

    def __init__(self, shape: tuple[int, int, bool, str, list[int], bool]) -> None:
        seed, rank, bias, optimizer, lengths, weighted = shape
        rng = np.random.default_rng(seed)
        n = sum(lengths)
        self.cell = Cell(
            rng.integers(0, N_USERS, n).astype(np.int32),
            rng.integers(0, N_ITEMS, n).astype(np.int32),
            rng.uniform(1, 5, n).astype(np.float32),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        )
        self.order = rng.permutation(len(lengths)).astype(np.int32)
        self.layout, self.optimizer = sgd_row_layout(rank, bias, optimizer), optimizer
        self.users = self.layout.user_rows(*self.random_side(rng, N_USERS))
        self.items = self.layout.item_rows(*self.random_side(rng, N_ITEMS))
        self.shares = random_share(rng, N_USERS), random_share(rng, N_ITEMS)
        if weighted:
            self.cell = replace(self.cell, weights=rng.uniform(0.01, 3, n).astype(np.float32))

    def random_side(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        scale = 0.5 / np.sqrt(self.layout.rank)
        factors = (scale * rng.standard_normal((n, self.layout.rank))).astype(np.float32)
        return factors, (0.1 * rng.standard_normal(n)).astype(np.float32)

    def update(self, sequential: bool = True, batch: int = 1) -> Update:
        return Update(self.layout, self.optimizer, 0.004, 0.002, 0.05, 0.03, sequential, batch)

    def trained(self, module, update: Update, dtype: type[np.floating]) -> tuple[np.ndarray, np.ndarray, float]:
        """Rows of both sides and Σ e² of the last of two epochs."""
        users, items = self.users.astype(dtype), self.items.astype(dtype)
        for order in (self.order, self.order[::-1].copy()):
            total = module.train(self.cell, order, users, items, *self.shares, MEAN, update)
        return users, items, total


@given(SHAPES, st.booleans(), st.sampled_from([1, 1, 2, 5, 1000]))
@example((0, 1, False, "sgd", [], False), True, 1)
@example((1, 64, True, "sgd", [1], True), True, 1)
@example((2, 200, True, "adam", [0, 1], True), False, 7)
@settings(deadline=None)
def test_training_equals_its_twin(shape, sequential, batch):
    problem = Problem(shape)
    update = problem.update(sequential, batch)
    users, items, total = problem.trained(fast, update, np.float32)
    expected_users, expected_items, expected_total = problem.trained(plain, update, np.float64)
    tolerance = 1e-4
    np.testing.assert_allclose(users, expected_users, rtol=1e-4, atol=tolerance)
    np.testing.assert_allclose(items, expected_items, rtol=1e-4, atol=tolerance)
    assert total == pytest.approx(expected_total, rel=1e-4)


@given(SHAPES, st.booleans())
@settings(deadline=None)
def test_errors_and_penalties_equal_their_twins(shape, clipped):
    problem = Problem(shape)
    clip = (2.9, 3.2) if clipped else None
    arguments = (problem.cell, problem.users, problem.items, MEAN, problem.layout, clip)
    assert fast.squared_error(*arguments) == pytest.approx(plain.squared_error(*arguments), rel=1e-4)
    sides: tuple[Literal["user", "item"], ...] = ("user", "item")
    for side, rows, weights in zip(sides, (problem.users, problem.items), problem.shares, strict=True):
        expected = plain.penalties(rows, weights, problem.layout, side, 0.3, 0.2)
        assert fast.penalties(rows, weights, problem.layout, side, 0.3, 0.2) == pytest.approx(expected, rel=1e-5)


@given(SHAPES, st.booleans(), st.sampled_from([1, 5]))
@settings(deadline=None)
def test_ones_and_padding_stay(shape, sequential, batch):
    problem = Problem(shape)
    users, items, _ = problem.trained(fast, problem.update(sequential, batch), np.float32)
    layout = problem.layout
    for rows, one_lane in ((users, layout.item_bias_lane), (items, layout.user_bias_lane)):
        if layout.bias:
            assert (rows[:, one_lane] == 1).all()
        assert (rows[:, layout.rank + 2 * layout.bias : layout.width] == 0).all()


@given(SHAPES)
@settings(deadline=None, max_examples=20)
def test_rows_without_ratings_keep_their_state(shape):
    problem = Problem(shape)
    users, items, _ = problem.trained(fast, problem.update(), np.float32)
    for rows, before, rated in (
        (users, problem.users, problem.cell.rows),
        (items, problem.items, problem.cell.columns),
    ):
        unrated = np.setdiff1d(np.arange(len(rows)), rated)
        np.testing.assert_array_equal(rows[unrated], before[unrated])


def one_rating(
    w: list[float], h: list[float], rating: float, mean: float, step: float, sequential: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Both factor vectors after the plain step of one rating, without biases and λ."""
    layout = sgd_row_layout(len(w), False, "sgd")
    users, items = layout.user_rows(np.array([w], np.float32), None), layout.item_rows(np.array([h], np.float32), None)
    cell = Cell(np.zeros(1, np.int32), np.zeros(1, np.int32), np.array([rating], np.float32), np.array([0, 1]))
    share = np.ones(1, np.float32)
    update = Update(layout, "sgd", step, step, 0.0, 0.0, sequential, 1)
    fast.train(cell, np.zeros(1, np.int32), users, items, share, share, mean, update)
    return layout.factors(users)[0], layout.factors(items)[0]


def test_a_step_towards_a_rating_of_five():
    """α = 0.01 on half of the gradient is a step of 0.005."""
    w, h = one_rating([0.4, 0.2, 0.3], [0.95, 0.10, 0.85], 5, 0.0, 0.005)
    np.testing.assert_allclose(w, [0.4413, 0.2043, 0.3369], atol=5e-5)
    np.testing.assert_allclose(h, [0.9674, 0.1087, 0.8630], atol=5e-5)


def test_a_step_away_from_a_prediction_that_is_too_high():
    """Predicted 3.75 + 0.8·0.6 + 0.3·0.9 = 4.5, rated 2; α = 0.1 on half of the gradient."""
    w, h = one_rating([0.8, 0.3], [0.6, 0.9], 2, 3.75, 0.05)
    np.testing.assert_allclose(w, [0.65, 0.075], rtol=1e-5)
    np.testing.assert_allclose(h, [0.4, 0.825], rtol=1e-5)


def test_sequential_steps_take_the_new_item():
    w, h = one_rating([0.8, 0.3], [0.6, 0.9], 2, 3.75, 0.05, sequential=True)
    np.testing.assert_allclose(h, [0.4, 0.825], rtol=1e-5)
    np.testing.assert_allclose(w, [0.8 - 0.25 * 0.4, 0.3 - 0.25 * 0.825], rtol=1e-5)


@pytest.mark.parametrize(
    ("optimizer", "after_one", "after_two"),
    [
        # u = 1, v = 2, r = 3 give e = 1 and gradients −4 and −2, steps are 0.1. The second step has e and gradients
        # −0.08, 0.352, 0.224 where the first was proportional to the gradient, and 0.69, −2.898, −1.518 where not.
        ("sgd", (1.4, 2.2), (1.3648, 2.1776)),
        # Velocities 0.4 and 0.2, then 0.9 of them less 0.0352 and 0.0224.
        ("momentum", (1.4, 2.2), (1.7248, 2.3576)),
        # 0.4/√16 and 0.2/√4, then 0.2898/√(16 + 2.898²) and 0.1518/√(4 + 1.518²).
        ("adagrad", (1.1, 2.1), (1.15867, 2.16046)),
        # The corrected moments of one gradient are itself and its square; then −0.6498/0.19 and 0.0243824/0.001999
        # for the user, −0.3318/0.19 and 0.00630032/0.001999 for the item.
        ("adam", (1.1, 2.1), (1.197925, 2.198367)),
    ],
)
def test_two_steps_of_each_optimizer_by_hand(optimizer, after_one, after_two):
    layout = sgd_row_layout(1, False, optimizer)
    users, items = (
        rows(np.array([[x]], np.float32), None) for rows, x in ((layout.user_rows, 1), (layout.item_rows, 2))
    )
    update = Update(layout, optimizer, 0.1, 0.1, 0.0, 0.0, False, 1)
    cell = Cell(np.zeros(1, np.int32), np.zeros(1, np.int32), np.array([3], np.float32), np.array([0, 1]))
    share = np.ones(1, np.float32)
    for expected in (after_one, after_two):
        fast.train(cell, np.zeros(1, np.int32), users, items, share, share, 0.0, update)
        np.testing.assert_allclose([users[0, 0], items[0, 0]], expected, rtol=1e-5)
    if optimizer == "adam":
        np.testing.assert_allclose(users[0, 24:26], [1 - 0.9**2, 1 - 0.999**2], rtol=1e-4)


def test_adam_corrects_by_the_row_s_own_number_of_updates():
    """A user's first rating, after hundred of another's, takes the whole step of a first update."""
    layout = sgd_row_layout(1, False, "adam")
    users, items = (
        layout.user_rows(np.ones((2, 1), np.float32), None),
        layout.item_rows(np.ones((2, 1), np.float32), None),
    )
    rows = np.array([0] * 100 + [1], np.int32)
    cell = Cell(rows, rows.copy(), np.full(101, 5, np.float32), np.array([0, 101]))
    share = np.ones(2, np.float32)
    fast.train(
        cell, np.zeros(1, np.int32), users, items, share, share, 0.0, Update(layout, "adam", 0.1, 0.1, 0, 0, False, 1)
    )
    assert users[1, 0] == pytest.approx(1.1, rel=1e-5)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_threads_visit_all_ratings_of_their_tiles(optimizer):
    """With steps of zero every error is that of the start, so that the threads' sums must add up."""
    problem = Problem((9, 20, True, optimizer, [500] * 40, False))
    still = Update(problem.layout, problem.optimizer, 0.0, 0.0, 0.05, 0.03, True, 1)
    users, items = problem.users.copy(), problem.items.copy()
    totals = in_threads(problem, still, users, items)
    assert sum(totals) == pytest.approx(fast.squared_error(problem.cell, users, items, MEAN, problem.layout), rel=1e-5)
    np.testing.assert_array_equal(users[:, : problem.layout.width], problem.users[:, : problem.layout.width])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_threads_without_locks_learn(optimizer):
    problem = Problem((10, 20, True, optimizer, [500] * 40, False))
    users, items = problem.users.copy(), problem.items.copy()
    update = problem.update()
    # Steps of the usual length leave momentum's errors no lower than what threads take from each other.
    shorter = replace(update, stepSize=update.stepSize / 5, biasStepSize=update.biasStepSize / 5)
    totals = [sum(in_threads(problem, shorter, users, items)) for _ in range(6)]
    assert np.isfinite(users).all()
    assert np.isfinite(items).all()
    assert totals[-1] < totals[0]


def in_threads(problem: Problem, update: Update, users: np.ndarray, items: np.ndarray) -> list[float]:
    """What four threads return that train on the same rows, each with a quarter of the tiles."""

    def train(tiles: np.ndarray) -> float:
        return fast.train(problem.cell, tiles, users, items, *problem.shares, MEAN, update)

    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(train, np.array_split(problem.order, 4)))
