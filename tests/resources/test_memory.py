"""Tests of memory plans against sums computed by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.resources.memory import (
    MIB,
    PYTHON_ITSELF,
    SPARK_ITSELF,
    FitSize,
    MemoryPlan,
    half_steps_plan,
    sgd_plan,
)

# Two members, each with half of everything; numbers of rows and ratings that are easily halved.
SIZE = FitSize(
    users=1_000_000,
    items=200_000,
    ratings=100_000_000,
    validation_ratings=0,
    user_blocks=2,
    item_blocks=2,
    members=2,
    chunk=0,
)
ROW = 64 * 4
EXACT = {"needs_previous": False, "alternates": True, "has_tol": False}


def test_als_on_the_ring_by_hand():
    """A member has twice 1.2 million rows, the solved, and 100 million ratings: half by user, half by item."""
    plan = half_steps_plan(SIZE, 64, is_ring=True, **EXACT)
    factors = 2 * 1_200_000 * ROW
    solved = (600_000 + 500_000 + 1_000_000) * ROW
    ratings = 100_000_000 * (7 + 7 + 8)
    ids = 1_200_000 * 48
    working, laying_out = factors + solved + ratings + ids, 50_000_000 * 80 + ids
    assert laying_out > working
    assert plan.worker == PYTHON_ITSELF + laying_out
    assert plan.result == 1_200_000 * ROW
    assert plan.driver_heap == SPARK_ITSELF + 2 * 1_200_000 * ROW
    assert plan.driver_python == PYTHON_ITSELF + 4 * 1_200_000 * ROW + 2 * ids
    assert plan.cached == 7 * 200_000_000
    assert plan.record == 700_000_000
    assert plan.executor_heap(2) == SPARK_ITSELF + 4 * 700_000_000


def test_with_few_ratings_the_factors_count():
    plan = half_steps_plan(replace(SIZE, ratings=1_000_000), 64, is_ring=True, **EXACT)
    assert plan.worker == PYTHON_ITSELF + (2_400_000 + 2_100_000) * ROW + 1_000_000 * 22 + 1_200_000 * 48


@pytest.mark.parametrize(
    ("method", "loaded", "solved"),
    [
        (EXACT, 1_000_000, 2),  # one side's
        (EXACT | {"needs_previous": True}, 1_200_000, 3),  # both sides'
        (EXACT | {"needs_previous": True, "alternates": False}, 1_400_000, 3),  # and the items' before
    ],
    ids=["exact", "inner steps", "gradient descent"],
)
def test_als_by_broadcasts_by_hand(method: dict[str, bool], loaded: int, solved: int):
    plan = half_steps_plan(replace(SIZE, ratings=1_000_000), 64, is_ring=False, **method)
    # A task has one block: half of the users and of the ratings.
    assert plan.worker == PYTHON_ITSELF + (loaded + solved * 500_000) * ROW + 500_000 * 22
    assert plan.result == 1_000_000 * ROW


def test_tol_adds_gram_matrices():
    """At rank 100 one of float64[200, 200] takes 320,000 bytes; a member has its own and the others', of both sides."""
    few = replace(SIZE, ratings=1000)
    ring, broadcast = (
        [
            half_steps_plan(few, 100, is_ring=is_ring, **EXACT | {"needs_previous": True, "has_tol": tol})
            for tol in (False, True)
        ]
        for is_ring in (True, False)
    )
    assert ring[1].worker - ring[0].worker == 6 * 320_000
    assert broadcast[1].worker - broadcast[0].worker == 2 * 320_000
    assert broadcast[1].result - broadcast[0].result == 2 * 320_000


@pytest.mark.parametrize(("is_ring", "row_copies"), [(True, 2_400_000 + 2_100_000), (False, 2_000_000)])
def test_biases_add_a_column_and_copies_of_the_fixed_side_and_of_a_block(is_ring: bool, row_copies: int):
    """A row has 65 numbers; the fixed side is copied with its biases apart, and a block has two kinds of residuals."""
    few = replace(SIZE, ratings=1_000_000)
    plain, biased = (half_steps_plan(few, 64, is_ring=is_ring, **EXACT, has_bias=bias) for bias in (False, True))
    assert biased.worker - plain.worker == row_copies * 4 + 1_000_000 * 66 * 4 + 500_000 * 8
    assert biased.result * 64 == plain.result * 65


@pytest.mark.parametrize("is_ring", [True, False])
def test_extrapolation_adds_the_factors_of_the_previous_iteration(is_ring: bool):
    few = replace(SIZE, ratings=1_000_000, users=100_000)
    plain, more = (half_steps_plan(few, 64, is_ring=is_ring, **EXACT, extrapolates=on) for on in (False, True))
    if is_ring:
        # Received, copied, the extrapolated users, and the solved items of the member's half.
        assert more.worker - plain.worker == (2 * 300_000 + 100_000 + 100_000) * ROW
        assert more.result == 2 * plain.result == 2 * 300_000 * ROW
    else:
        # All items, and the solved rows of a block beside the extrapolated ones, also serialized.
        assert more.worker - plain.worker == (200_000 + 2 * 100_000) * ROW
        assert more.result == 2 * plain.result == 2 * 200_000 * ROW
    assert more.driver_python - plain.driver_python == 4 * 300_000 * ROW


def test_sgd_on_the_ring_by_hand():
    size = replace(SIZE, ratings=1_000_000, validation_ratings=100_000, item_blocks=10)
    plan = sgd_plan(size, stride=144, width=72, is_ring=True)
    row, best = 144 * 4, 72 * 4
    sent, own, under_way = 1_200_000 * row, 2 * 600_000 * row, 3 * 20_000 * row
    kept = 2 * 200_000 * best + 2 * 600_000 * best
    returned = 600_000 * (row + best)
    held = sent + own + under_way + kept + returned
    assert plan.worker == PYTHON_ITSELF + held + 550_000 * 32 + 1_200_000 * 48
    assert plan.result == 1_200_000 * (row + best)
    assert plan.cached == 11_000_000


def test_sgd_in_stages_by_hand():
    """A task has its blocks' rows three times over; validation has all users' and all items'."""
    size = replace(SIZE, ratings=1_000_000, item_blocks=10)
    plan = sgd_plan(size, stride=72, width=72, is_ring=False)
    row, ids = 72 * 4, 1_200_000 * 48
    laying_out = 500_000 * 80 + ids
    assert plan.worker == PYTHON_ITSELF + max(3 * 520_000 * row + 50_000 * 32 + ids, laying_out)
    assert plan.result == 1_040_000 * row
    watched = sgd_plan(replace(size, validation_ratings=1000), stride=72, width=72, is_ring=False)
    assert watched.worker == PYTHON_ITSELF + 1_700_000 * row + 50_500 * 32 + ids


def test_chunks_of_rows_count_where_a_dataset_is_read():
    read = replace(SIZE, ratings=4_000_000, chunk=4_000_000, users=1000, items=1000)
    assert half_steps_plan(read, 1, is_ring=True, **EXACT).worker == PYTHON_ITSELF + 80 * 4_000_000 + 2000 * 48


def plans(size: FitSize, rank: int) -> list[MemoryPlan]:
    inexact = EXACT | {"needs_previous": True, "has_tol": True}
    methods = [EXACT, inexact | {"alternates": False}, inexact | {"has_bias": True, "extrapolates": True}]
    return [
        *(half_steps_plan(size, rank, is_ring=is_ring, **method) for is_ring in (True, False) for method in methods),
        *(sgd_plan(size, 2 * rank, rank, is_ring=is_ring) for is_ring in (True, False)),
    ]


@given(
    size=st.builds(
        FitSize,
        users=st.integers(1, 10**7),
        items=st.integers(1, 10**6),
        ratings=st.integers(1, 10**10),
        validation_ratings=st.integers(0, 10**9),
        user_blocks=st.integers(1, 500),
        item_blocks=st.integers(1, 500),
        members=st.integers(1, 500),
        chunk=st.integers(0, 1 << 22),
    ),
    rank=st.integers(1, 300),
    grown=st.sampled_from(["users", "items", "ratings", "validation_ratings", "chunk"]),
    growth=st.integers(1, 10**7),
)
def test_no_need_shrinks_as_a_size_grows(size: FitSize, rank: int, grown: str, growth: int):
    larger = replace(size, **{grown: getattr(size, grown) + growth})
    for smaller_plan, larger_plans in zip(
        plans(size, rank), zip(plans(larger, rank), plans(size, rank + 1), strict=True), strict=True
    ):
        for plan in larger_plans:
            assert all(vars(plan)[name] >= need for name, need in vars(smaller_plan).items())
        assert smaller_plan.worker > PYTHON_ITSELF > MIB
