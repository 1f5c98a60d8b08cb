"""Tests of the textbook's SGD on touched rows against the reference implementation of the kernels."""

import numpy as np
import pytest

from spark_mf.kernels.reference import sgd as twin
from spark_mf.kernels.sgd import Cell, Update, sgd_row_layout
from spark_mf.textbook import SGD
from spark_mf.textbook.loss import row_penalties
from tests.textbook.small import small_factors, small_ratings

EPOCHS = 3


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("updateOrder", ["simultaneous", "sequential"])
@pytest.mark.parametrize("fitBias", [False, True])
@pytest.mark.parametrize("regularization", ["weighted", "plain", "mean", "frequency"])
@pytest.mark.parametrize("batchSize", [1, 7])
def test_the_same_rows_after_some_epochs(optimizer, updateOrder, fitBias, regularization, batchSize):
    ratings, (U, V) = small_ratings(1), small_factors(1)
    sgd = SGD(
        rank=2,
        maxIter=EPOCHS,
        regParam=0.05,
        itemRegParam=0.08,
        biasRegParam=0.02,
        stepSize=0.01,
        biasStepSize=0.03,
        fitBias=fitBias,
        regularization=regularization,
        regExponent=0.5 if regularization == "frequency" else None,
        optimizer=optimizer,
        schedule="constant",
        updateOrder=updateOrder,
        batchSize=batchSize,
    )
    model = sgd.fit(ratings, np.random.default_rng(3), (U, V))

    layout = sgd_row_layout(2, fitBias, optimizer)
    users, items = layout.user_rows(U, None).astype(float), layout.item_rows(V, None).astype(float)
    # Rows are made as float32; the twin works in the precision it is given.
    users[:, :2], items[:, :2] = U, V
    update = Update(
        layout, optimizer, 0.01, 0.03, 0.05, 0.02, updateOrder == "sequential", batchSize, itemRegParam=0.08
    )
    user_share, item_share = (
        row_penalties(n, 1.0, regularization, 0.5) / n for n in (ratings.user_counts, ratings.item_counts)
    )
    rng = np.random.default_rng(3)
    for _ in range(EPOCHS):
        order = rng.permutation(len(ratings))
        tile = np.array([0, len(order)])
        rows, columns = ratings.users[order].astype(np.int32), ratings.items[order].astype(np.int32)
        cell = Cell(rows, columns, ratings.values[order], tile)
        twin.train(cell, [0], users, items, user_share, item_share, model.globalMean, update)

    np.testing.assert_allclose(model.U, users[:, :2], rtol=1e-9)
    np.testing.assert_allclose(model.V, items[:, :2], rtol=1e-9)
    if fitBias:
        np.testing.assert_allclose(model.userBias, users[:, layout.user_bias_lane], rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(model.itemBias, items[:, layout.item_bias_lane], rtol=1e-9, atol=1e-15)


def test_batches_of_seven_repeat_rows():
    ratings = small_ratings(1)
    assert max(ratings.shape) < 7
