"""The layout of rows: what is where, and that nothing is lost."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.kernels.row_layout import RowLayout
from spark_mf.kernels.sgd import OPTIMIZERS, Update, sgd_row_layout

LAYOUTS = st.one_of(
    st.builds(sgd_row_layout, st.integers(1, 200), st.booleans(), st.sampled_from(OPTIMIZERS)),
    st.builds(RowLayout, st.integers(1, 200), st.booleans(), constant=st.booleans()),
)


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
    layout = sgd_row_layout(rank, bias, optimizer)
    assert (layout.width, layout.stride) == (width, stride)


@pytest.mark.parametrize(("bias", "width"), [(False, 5), (True, 7)])
def test_rows_without_padding_and_state_are_factors_and_biases_alone(bias, width):
    layout = RowLayout(5, bias)
    assert (layout.width, layout.stride) == (width, width)


def test_a_row_of_each_side():
    layout = sgd_row_layout(2, True, "momentum")
    users = layout.user_rows(np.array([[1, 2]], np.float32), np.array([3], np.float32))
    items = layout.item_rows(np.array([[4, 5]], np.float32), np.array([6], np.float32))
    np.testing.assert_array_equal(users, [[1, 2, 3, 1, 0, 0, 0, 0] + [0] * 8])
    np.testing.assert_array_equal(items, [[4, 5, 1, 6, 0, 0, 0, 0] + [0] * 8])
    assert users[0, :8] @ items[0, :8] == 1 * 4 + 2 * 5 + 3 + 6


def test_a_row_of_each_side_without_the_constant():
    layout = RowLayout(2, bias=True, constant=False)
    assert layout.width == 3
    for rows_of in (layout.user_rows, layout.item_rows):
        rows = rows_of(np.array([[1, 2]], np.float32), np.array([3], np.float32))
        np.testing.assert_array_equal(rows, [[1, 2, 3]])


@given(LAYOUTS, st.integers(0, 9), st.integers(0, 2**32 - 1))
def test_factors_and_biases_come_back(layout, n, seed):
    rng = np.random.default_rng(seed)
    factors, biases = rng.standard_normal((n, layout.rank)).astype(np.float32), rng.random(n).astype(np.float32)
    for rows_of, biases_of in ((layout.user_rows, layout.user_biases), (layout.item_rows, layout.item_biases)):
        rows = rows_of(factors, biases)
        assert rows.shape == (n, layout.stride)
        assert rows.dtype == np.float32
        assert rows.flags.c_contiguous
        assert n == 0 or rows.ctypes.data % 64 == 0
        np.testing.assert_array_equal(layout.factors(rows), factors)
        np.testing.assert_array_equal(biases_of(rows), biases if layout.bias else np.zeros(n))
        assert (rows[:, layout.width :] == 0).all()


def test_rows_without_biases_given_have_zero_biases():
    layout = sgd_row_layout(3, True, "sgd")
    assert layout.user_biases(layout.user_rows(np.ones((2, 3), np.float32), None)).tolist() == [0, 0]


def test_updates_can_be_sent_to_workers():
    update = Update(sgd_row_layout(3, True, "adam"), "adam", 0.1, 0.2, 0.3, 0.4, True, 5, beta1=0.8)
    assert pickle.loads(pickle.dumps(update)) == update


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match=r"optimizer must be one of sgd, momentum, adagrad, adam, got 'sdg'\."):
        sgd_row_layout(3, True, "sdg")
