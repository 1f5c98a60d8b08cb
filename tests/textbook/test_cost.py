"""Tests of the numbers of operations against loops that count them."""

import numpy as np
import pytest

from spark_mf.textbook import ALS, GD, SGD
from spark_mf.textbook.cost import als_gd_operations, als_operations, gd_operations, sgd_operations
from tests.textbook.small import small_factors, small_ratings

LAM = 0.3
SIZES = pytest.mark.parametrize("rank", [1, 2, 5])


class Count:
    """Arithmetic that counts: one for each multiplication with its addition, division and root."""

    def __init__(self):
        self.operations = 0

    def times(self, a, b, plus=0.0):
        self.operations += 1
        return a * b + plus

    def divided(self, a, b):
        self.operations += 1
        return a / b

    def root(self, a):
        self.operations += 1
        return np.sqrt(a)

    def dot(self, x, y, start=0.0):
        for a, b in zip(x, y, strict=True):
            start = self.times(a, b, start)
        return start

    def add_scaled(self, factor, x, to):
        """Return to + factor·x."""
        return np.array([self.times(factor, a, b) for a, b in zip(x, to, strict=True)])


def problem(rank):
    ratings = small_ratings(1)
    return ratings, small_factors(1, k=rank)


@SIZES
def test_gradient_descent(rank):
    ratings, (U, V) = problem(rank)
    count, G, H = Count(), np.zeros_like(U), np.zeros_like(V)
    for i, j, r in zip(ratings.users, ratings.items, ratings.values, strict=True):
        e = -count.dot(U[i], V[j], -r)
        G[i] = count.add_scaled(-e, V[j], G[i])
        H[j] = count.add_scaled(-e, U[i], H[j])
    step = 2 * 0.1 / len(ratings)
    moved = [
        np.array([count.add_scaled(-step, count.add_scaled(LAM, x, g), x) for x, g in zip(X, g_of, strict=True)])
        for X, g_of in ((U, G), (V, H))
    ]
    gd = GD(rank=rank, maxIter=1, regParam=LAM, regularization="plain", stepSize=0.1)
    model = gd.fit(ratings, initial=(U, V))
    np.testing.assert_allclose(moved[0], model.U)
    np.testing.assert_allclose(moved[1], model.V)
    assert count.operations == gd_operations(6, 5, len(ratings), rank)


def solve(count, A, b):
    """Solve A x = b by Cholesky, Golub and Van Loan's algorithm 4.2.1, and two triangular systems."""
    k = len(b)
    L, x = np.zeros((k, k)), b.copy()
    for j in range(k):
        for i in range(j, k):
            rest = -count.dot(L[i, :j], L[j, :j], -A[i, j])
            L[i, j] = count.root(rest) if i == j else count.divided(rest, L[j, j])
    for i in range(k):
        x[i] = count.divided(-count.dot(L[i, :i], x[:i], -x[i]), L[i, i])
    for i in reversed(range(k)):
        x[i] = count.divided(-count.dot(L[i + 1 :, i], x[i + 1 :], -x[i]), L[i, i])
    return x


@SIZES
def test_als(rank):
    ratings, (U, V) = problem(rank)
    count = Count()

    def half_step(R, observed, fixed):
        rows = []
        for r, seen in zip(R, observed, strict=True):
            A, b = np.zeros((rank, rank)), np.zeros(rank)
            for f, value in zip(fixed[seen], r[seen], strict=True):
                b = count.add_scaled(value, f, b)
                for i in range(rank):
                    A[i, : i + 1] = count.add_scaled(f[i], f[: i + 1], A[i, : i + 1])
            for i in range(rank):
                A[i, i] = count.times(LAM, 1, A[i, i])
            rows.append(solve(count, A, b))
        return np.array(rows)

    new_V = half_step(ratings.matrix.T, ratings.observed.T, U)
    new_U = half_step(ratings.matrix, ratings.observed, new_V)
    model = ALS(rank=rank, maxIter=1, regParam=LAM, regularization="plain").fit(ratings, initial=(U, V))
    np.testing.assert_allclose(new_U, model.U)
    np.testing.assert_allclose(new_V, model.V)
    assert count.operations == als_operations(6, 5, len(ratings), rank)


@pytest.mark.parametrize(("rank", "steps"), [(1, 1), (2, 1), (2, 3), (5, 3)])
def test_als_gd(rank, steps):
    ratings, (U, V) = problem(rank)
    count = Count()

    def descend(x, F, r):
        for _ in range(steps):
            g = np.zeros(rank)
            for f, value in zip(F, r, strict=True):
                g = count.add_scaled(count.dot(f, x, -value), f, g)
            g = count.add_scaled(LAM, x, g)
            squared, curvature = count.dot(g, g), 0.0
            for f in F:
                product = count.dot(f, g)
                curvature = count.times(product, product, curvature)
            length = count.divided(squared, count.times(LAM, squared, curvature))
            x = count.add_scaled(-length, g, x)
        return x

    def half_step(X, R, observed, fixed):
        return np.array([descend(x, fixed[seen], r[seen]) for x, r, seen in zip(X, R, observed, strict=True)])

    new_V = half_step(V, ratings.matrix.T, ratings.observed.T, U)
    new_U = half_step(U, ratings.matrix, ratings.observed, new_V)
    als = ALS(rank=rank, maxIter=1, regParam=LAM, regularization="plain", solver="gd", innerSteps=steps)
    model = als.fit(ratings, initial=(U, V))
    np.testing.assert_allclose(new_U, model.U)
    np.testing.assert_allclose(new_V, model.V)
    assert count.operations == als_gd_operations(6, 5, len(ratings), rank, steps)


@SIZES
def test_stochastic_gradient_descent(rank):
    ratings, (U, V) = problem(rank)
    sgd = SGD(rank=rank, maxIter=1, regParam=LAM, stepSize=0.01, fitBias=False)
    model = sgd.fit(ratings, np.random.default_rng(1), (U, V))
    count = Count()
    for position in np.random.default_rng(1).permutation(len(ratings)):
        i, j = ratings.users[position], ratings.items[position]
        e = -count.dot(U[i], V[j], -ratings.values[position])
        change, kept = count.times(2 * 0.01, e), 1 - 2 * 0.01 * LAM
        shrunk_u, shrunk_v = (count.add_scaled(kept, x, np.zeros(rank)) for x in (U[i], V[j]))
        U[i], V[j] = count.add_scaled(change, V[j], shrunk_u), count.add_scaled(change, U[i], shrunk_v)
    np.testing.assert_allclose(U, model.U)
    np.testing.assert_allclose(V, model.V)
    assert count.operations == sgd_operations(len(ratings), rank)
