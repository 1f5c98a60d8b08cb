"""Tests of the study of update paths against values computed by hand."""

import pytest

from spark_mf.studies import update_paths
from spark_mf.studies.update_paths import LAMBDA, RATING, START, STEP


@pytest.fixture
def paths(make_fits):
    return list(update_paths.run(make_fits()))


def test_all_paths_start_together_and_end_at_the_minimum(paths):
    place, lowest = update_paths.minimum(RATING, LAMBDA)
    assert place**2 == pytest.approx(RATING - LAMBDA)
    assert lowest == pytest.approx((RATING - place**2) ** 2 + 2 * LAMBDA * place**2)
    for row in paths:
        assert (row.u[0], row.v[0]) == START
        assert (row.u[-1], row.v[-1]) == pytest.approx((place, place), abs=2e-3)
        assert row.objectives[-1] == pytest.approx(lowest, abs=1e-5)
        assert row.gradient <= 1e-3
        assert row.updates == len(row.u) - 1 == len(row.objectives) - 1


def test_als_solves_the_item_first_then_the_user(paths):
    u0, _ = START
    v1 = RATING * u0 / (u0**2 + LAMBDA)
    assert (paths[0].u[1], paths[0].v[1]) == pytest.approx((u0, v1))
    assert (paths[0].u[2], paths[0].v[2]) == pytest.approx((RATING * v1 / (v1**2 + LAMBDA), v1))
    assert paths[0].iterations == -(-paths[0].updates // 2)


def test_gradient_descent_moves_both_from_the_old_point(paths):
    u, v = START
    e = RATING - u * v
    assert paths[1].u[1] == pytest.approx(u - STEP * (-2 * e * v + 2 * LAMBDA * u))
    assert paths[1].v[1] == pytest.approx(v - STEP * (-2 * e * u + 2 * LAMBDA * v))
    assert paths[1].iterations == paths[1].updates


def test_als_with_inner_steps_goes_down_one_factor_at_a_time(paths):
    row, (u, v) = paths[2], START
    for k in (1, 2):
        v = v - STEP * (-2 * (RATING - u * v) * u + 2 * LAMBDA * v)
        assert (row.u[k], row.v[k]) == pytest.approx((u, v))
    assert row.v[3] == row.v[2]
    assert row.u[3] != row.u[2]


def test_the_report_says_who_zig_zags_and_who_needed_most(paths):
    told = update_paths.findings(paths)
    assert "Every update of ALS and of ALS+GD, 2 inner steps is parallel to an axis" in told
    assert f"ALS needs the fewest iterations, {paths[0].iterations}, and GD the most" in told


def test_the_paths_are_drawn_with_their_numbers_of_updates(paths, tmp_path, saved):
    update_paths.draw(paths, tmp_path)
    (axes,) = saved[0].axes
    drawn = {line.get_label(): line for line in axes.lines}
    assert drawn[f"GD: {paths[1].updates} updates"].get_xdata().tolist() == list(paths[1].u)
    assert drawn["minimum, 1.11"].get_xdata() == pytest.approx([1.3038], abs=1e-4)
    assert axes.get_ylabel() == "v, factor of the item (√ of the rating unit)"
