"""The fingerprint of ratings: the order does not count, everything else does."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.blocks.csr import RatingBlock
from spark_mf.kernels.fingerprint import fingerprint
from spark_mf.kernels.reference import fingerprint as plain

ratings = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 6), st.sampled_from([0.5, 1.0, -2.0])), min_size=1, max_size=30
)


def of(triples: list[tuple[int, int, float]], weights: list[float] | None = None) -> int:
    of_rating = np.array(triples)
    of_weight = None if weights is None else np.array(weights, np.float32)
    rows, columns = of_rating[:, 0].astype(np.int32), of_rating[:, 1].astype(np.int32)
    values = of_rating[:, 2].astype(np.float32)
    block = RatingBlock.from_triples(np.arange(5, dtype=np.int32) * 3, rows, columns, values, of_weight)
    csr = (block.rows, block.indptr, block.indices, block.values, block.weights)
    assert fingerprint(*csr) == plain.fingerprint(*csr)
    return fingerprint(*csr)


@given(ratings, st.randoms())
def test_the_order_does_not_count(triples, random):
    shuffled = triples[:]
    random.shuffle(shuffled)
    assert of(shuffled) == of(triples)


@given(ratings)
def test_a_rating_more_or_less_or_changed_does(triples):
    row, column, value = triples[0]
    assert of([*triples, triples[0]]) != of(triples)
    assert of([(row, column, value + 1), *triples[1:]]) != of(triples)
    assert of([(row, column + 1, value), *triples[1:]]) != of(triples)
    assert of([((row + 1) % 5, column, value), *triples[1:]]) != of(triples)


@given(ratings)
def test_a_changed_or_exchanged_weight_does(triples):
    weights = [1.0 + i for i in range(len(triples))]
    assert of(triples, weights) != of(triples)
    assert of(triples, [*weights[:-1], 0.5]) != of(triples, weights)
    assert of(triples[::-1], weights[::-1]) == of(triples, weights)
    if triples[0] != triples[-1]:
        assert of(triples, [weights[-1], *weights[1:-1], weights[0]]) != of(triples, weights)


@given(ratings)
def test_the_transposed_matrix_has_the_same_when_it_is_told_so(triples):
    of_rating = np.array(triples)
    rows, columns = (of_rating[:, side].astype(np.int32) for side in (0, 1))
    values = of_rating[:, 2].astype(np.float32)
    block = RatingBlock.from_triples(np.arange(7, dtype=np.int32) * 2, columns, rows * 3, values)
    csr = (block.rows, block.indptr, block.indices, block.values)
    transposed = fingerprint(*csr, transposed=True)
    assert transposed == plain.fingerprint(*csr, transposed=True)
    assert transposed == of([(row, 2 * column, value) for row, column, value in triples])


def test_nothing_is_zero():
    empty = np.empty(0, np.int32)
    assert fingerprint(empty, np.zeros(1, np.int64), empty, np.empty(0, np.float32)) == 0
