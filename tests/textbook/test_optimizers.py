"""Tests of optimizers and schedules against steps computed by hand."""

import numpy as np
import pytest

from spark_mf.textbook.optimizers import Adam, Momentum, Plain, step_factor


def test_the_plain_step_is_minus_step_times_gradient():
    np.testing.assert_allclose(Plain().change(np.array([[2.0, -4.0]]), 0.5), [[-1, 2]])


def test_momentum_by_hand():
    momentum = Momentum((1, 1), 0.9)
    g = np.array([[1.0]])
    # −0.1; 0.9·(−0.1) − 0.1 = −0.19; 0.9·(−0.19) − 0.1 = −0.271
    assert [momentum.change(g, 0.1).item() for _ in range(3)] == pytest.approx([-0.1, -0.19, -0.271])


def test_momentum_goes_on_without_a_gradient():
    momentum = Momentum((1, 1), 0.5)
    momentum.change(np.array([[1.0]]), 0.1)
    assert momentum.change(np.array([[0.0]]), 0.1).item() == pytest.approx(-0.05)


def test_the_first_step_of_adam_has_the_length_of_the_step_whatever_the_gradient():
    g = np.array([[1000.0, -1e-3]])
    np.testing.assert_allclose(Adam((1, 2), epsilon=1e-12).change(g, 0.01), [[-0.01, 0.01]], rtol=1e-8)


def test_the_second_step_of_adam_by_hand():
    adam = Adam((1, 1), beta1=0.5, beta2=0.75, epsilon=0.5)
    # g = 2: mean 1, square 1; corrected 1/(1 − 0.5) = 2 and 1/(1 − 0.75) = 4: −0.1·2/(2 + 0.5)
    assert adam.change(np.array([[2.0]]), 0.1).item() == pytest.approx(-0.08)
    # g = 1: mean 0.5 + 0.5 = 1, corrected 1/0.75; square 0.75 + 0.25 = 1, corrected 1/(1 − 0.5625) = 16/7
    assert adam.change(np.array([[1.0]]), 0.1).item() == pytest.approx(-0.1 * (4 / 3) / (np.sqrt(16 / 7) + 0.5))


def test_adam_counts_the_updates_of_each_row():
    adam, fresh = Adam((2, 1)), Adam((1, 1))
    g = np.array([[3.0]])
    for _ in range(5):
        adam.change(g, 0.1, np.array([0]))
    later = adam.change(-g, 0.1, np.array([1]))
    np.testing.assert_array_equal(later, fresh.change(-g, 0.1))


def test_momentum_of_other_rows_stays():
    momentum = Momentum((3, 2))
    momentum.change(np.ones((2, 2)), 1.0, np.array([0, 2]))
    np.testing.assert_array_equal(momentum.velocity, [[-1, -1], [0, 0], [-1, -1]])


@pytest.mark.parametrize(
    ("schedule", "decay", "expected"),
    [("constant", 0.5, [1, 1, 1]), ("exponential", 0.5, [1, 0.5, 0.25]), ("inverse", 0.5, [1, 1 / 1.5, 0.5])],
)
def test_the_step_of_the_first_epochs(schedule, decay, expected):
    assert [step_factor(schedule, decay, epoch) for epoch in range(3)] == pytest.approx(expected)
