"""Rows of lanes: what is where, and that nothing is lost."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.kernels.sgd import OPTIMIZERS, Lanes, Update

LANES = st.builds(Lanes, st.integers(1, 200), st.booleans(), st.sampled_from(OPTIMIZERS))


@pytest.mark.parametrize(
    ("rank", "bias", "optimizer", "width", "stride"),
    [
        (8, False, "sgd", 8, 8),
        (6, True, "sgd", 8, 8),
        (7, True, "momentum", 16, 32),
        (64, True, "adagrad", 72, 144),
        (64, False, "adam", 64, 200),
    ],
)
def test_slots_are_whole_vectors(rank, bias, optimizer, width, stride):
    lanes = Lanes(rank, bias, optimizer)
    assert (lanes.width, lanes.stride) == (width, stride)


def test_a_row_of_each_side():
    lanes = Lanes(2, True, "momentum")
    users = lanes.user_rows(np.array([[1, 2]], np.float32), np.array([3], np.float32))
    items = lanes.item_rows(np.array([[4, 5]], np.float32), np.array([6], np.float32))
    np.testing.assert_array_equal(users, [[1, 2, 3, 1, 0, 0, 0, 0] + [0] * 8])
    np.testing.assert_array_equal(items, [[4, 5, 1, 6, 0, 0, 0, 0] + [0] * 8])
    assert users[0, :8] @ items[0, :8] == 1 * 4 + 2 * 5 + 3 + 6


@given(LANES, st.integers(0, 9), st.integers(0, 2**32 - 1))
def test_factors_and_biases_come_back(lanes, n, seed):
    rng = np.random.default_rng(seed)
    factors, biases = rng.standard_normal((n, lanes.rank)).astype(np.float32), rng.random(n).astype(np.float32)
    for rows_of, biases_of in ((lanes.user_rows, lanes.user_biases), (lanes.item_rows, lanes.item_biases)):
        rows = rows_of(factors, biases)
        assert rows.shape == (n, lanes.stride)
        assert rows.dtype == np.float32
        assert rows.flags.c_contiguous
        assert n == 0 or rows.ctypes.data % 64 == 0
        np.testing.assert_array_equal(lanes.factors(rows), factors)
        np.testing.assert_array_equal(biases_of(rows), biases if lanes.fitBias else np.zeros(n))
        assert (rows[:, lanes.width :] == 0).all()


def test_rows_without_biases_given_have_zero_biases():
    lanes = Lanes(3, True, "sgd")
    assert lanes.user_biases(lanes.user_rows(np.ones((2, 3), np.float32), None)).tolist() == [0, 0]


def test_updates_can_be_sent_to_workers():
    update = Update(Lanes(3, True, "adam"), 0.1, 0.2, 0.3, 0.4, True, 5, beta1=0.8)
    assert pickle.loads(pickle.dumps(update)) == update


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match="optimizer is 'sdg'; give one of sgd, momentum, adagrad, adam"):
        Lanes(3, True, "sdg")
