"""Published experiments: their data, their results, and functions that reproduce them.

All experiments share one random generator, so they reproduce the published numbers only in order, as in
`run_published`.
"""

from dataclasses import dataclass

import numpy as np

from spark_mf.textbook.als import ALS
from spark_mf.textbook.estimator import Estimator
from spark_mf.textbook.loss import GradientCheck, gradient, gradient_check, loss
from spark_mf.textbook.model import Model
from spark_mf.textbook.ratings import Matrix, Ratings
from spark_mf.textbook.sgd import SGD

SEED = 42
N_USERS, N_ITEMS, RANK = 100, 60, 4
LOWEST, HIGHEST = 1.0, 5.0

#: Numbers of training and test ratings.
TRAIN_RATINGS, TEST_RATINGS = 952, 238
#: ∂L/∂U₀₀ of the gradient check, and an upper bound of its relative error.
FIRST_GRADIENT, LARGEST_RELATIVE_ERROR = 2.93976684, 1e-9
#: Test RMSE of the last epoch of each of the `METHODS`.
TEST_RMSE = {
    "SGD": 1.0551,
    "mini-batch GD": 1.3128,
    "mini-batch GD, momentum": 1.0588,
    "ALS": 0.9943,
    "mini-batch GD, biases": 0.4592,
}
#: Published as the best result without biases: the best epoch of momentum. (SGD and ALS have lower ones.)
BEST_WITHOUT_BIASES = 1.0545
#: Test RMSE of the best epoch with biases, by λ.
LAMBDA_SWEEP = {0.001: 0.4398, 0.005: 0.4419, 0.01: 0.4409, 0.05: 0.4392, 0.1: 0.4409, 0.5: 0.4385, 1.0: 0.4396}


def _notebook_sgd(**settings: object) -> SGD:
    """Return SGD as in the experiments: averaged batches, λ on every row, no decay, factors from N(0, 0.1²)."""
    common = {
        "rank": RANK,
        "regParam": 0.01,
        "regularization": "mean",
        "schedule": "constant",
        "initStd": 0.1,
        "earlyStoppingPatience": 0,
        "updatedRows": "all",
        "clipTo": (LOWEST, HIGHEST),
        "maxIter": 150,
        "fitBias": False,
    }
    return SGD(**(common | settings))  # type: ignore[arg-type]


def biased(regParam: float, maxIter: int) -> SGD:
    """Return mini-batch gradient descent with biases, with `regParam` for the factors."""
    return _notebook_sgd(
        batchSize=32, stepSize=0.01, fitBias=True, regParam=regParam, biasRegParam=0.001, maxIter=maxIter
    )


#: The experiments of `TEST_RMSE`, in the order in which they use the generator.
METHODS: dict[str, Estimator] = {
    "SGD": _notebook_sgd(batchSize=1, stepSize=0.005),
    "mini-batch GD": _notebook_sgd(batchSize=32, stepSize=0.02),
    "mini-batch GD, momentum": _notebook_sgd(batchSize=32, stepSize=0.02, optimizer="momentum", momentum=0.9),
    "ALS": ALS(rank=RANK, maxIter=50, regParam=0.01, regularization="plain", order="users", clipTo=(LOWEST, HIGHEST)),
    "mini-batch GD, biases": biased(0.01, 150),
}


@dataclass(frozen=True, eq=False)
class Run:
    """A fit, with the data to repeat it on Spark.

    Attributes
    ----------
    estimator : Estimator
    initial : tuple[float64[100, 4], float64[60, 4]]
        Initial (U, V).
    model : Model
        For SGD, the model of the best epoch.
    """

    estimator: Estimator
    initial: tuple[Matrix, Matrix]
    model: Model

    @property
    def test_rmse(self) -> list[float]:
        """Test RMSE after each iteration, of predictions clipped to [1, 5]."""
        return [record.validation_rmse for record in self.model.summary.history if record.validation_rmse is not None]


@dataclass(frozen=True, eq=False)
class Result:
    """A published number and the reproduced number.

    Attributes
    ----------
    name : str
    published, obtained : float
        For the relative error of the gradient, `published` is an upper bound.
    decimals : int
        Number of published decimals, to which both must agree; -1 if `published` is an upper bound.
    run : Run or None
        The fit; None for the data and the gradient check.
    best : bool
        Whether the number belongs to the best epoch rather than the last.
    """

    name: str
    published: float
    obtained: float
    decimals: int
    run: Run | None = None
    best: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the number is reproduced."""
        if self.decimals < 0:
            return self.obtained < self.published
        return round(self.obtained, self.decimals) == self.published


def published_ratings(rng: np.random.Generator) -> Ratings:
    """Return the data set: 952 training ratings and 238 held-out test ratings of 60 items by 100 users.

    U, then V, of rank 4 are standard normal. R is U Vᵀ scaled linearly to [1, 5], plus N(0, 0.25²), clipped to [1, 5].
    A pair is observed if a uniform number is below 0.20, and pairs are added until each row, and then each column, has
    at least 2. The row-major list of observed pairs is shuffled, and its first 20 % are held out.

    Parameters
    ----------
    rng : numpy.random.Generator
        numpy.random.default_rng(42) for the published data set.
    """
    U, V = rng.standard_normal((N_USERS, RANK)), rng.standard_normal((N_ITEMS, RANK))
    R = U @ V.T
    R = LOWEST + (HIGHEST - LOWEST) * (R - R.min()) / (R.max() - R.min())
    R = np.clip(R + rng.normal(0, 0.25, R.shape), LOWEST, HIGHEST)
    observed = rng.random(R.shape) < 0.20
    for lines, length in ((observed, N_ITEMS), (observed.T, N_USERS)):
        for line in lines:
            while line.sum() < 2:
                line[rng.integers(length)] = True
    pairs = np.argwhere(observed)
    rng.shuffle(pairs)
    held_out = np.zeros(R.shape, bool)
    held_out[tuple(pairs[: int(0.2 * len(pairs))].T)] = True
    return Ratings.from_matrix(R, observed & ~held_out, held_out)


def check_corner(ratings: Ratings, rng: np.random.Generator) -> GradientCheck:
    """Check the gradient of the sum convention on the first 5 × 5 pairs: rank 3, N(0, 0.5²), λ = 0.1, h = 1e-5."""
    R, observed = ratings.matrix[:5, :5], ratings.observed[:5, :5]
    U, V = rng.normal(0, 0.5, (5, 3)), rng.normal(0, 0.5, (5, 3))

    def corner_loss(U: Matrix, V: Matrix) -> float:
        return loss(R, observed, U, V, 0.1)

    def corner_gradient(U: Matrix, V: Matrix) -> tuple[Matrix, ...]:
        return gradient(R, observed, U, V, 0.1)

    return gradient_check(corner_loss, corner_gradient, (U, V), 1e-5)


def run(estimator: Estimator, ratings: Ratings, rng: np.random.Generator) -> Run:
    """Fit an estimator from random factors, first U, then V."""
    initial = estimator.draw(rng, ratings.shape)
    return Run(estimator, initial, estimator.fit(ratings, rng, initial))


def run_methods(ratings: Ratings, rng: np.random.Generator) -> list[Result]:
    """Fit the `METHODS`, and return the test RMSE of the last epoch of each, and the best RMSE without biases."""
    results = []
    for name, estimator in METHODS.items():
        fitted = run(estimator, ratings, rng)
        results.append(Result(f"{name}: test RMSE", TEST_RMSE[name], fitted.test_rmse[-1], 4, fitted))
        if name == "mini-batch GD, momentum":
            best = min(fitted.test_rmse)
            results.append(Result(f"{name}: best epoch", BEST_WITHOUT_BIASES, best, 4, fitted, True))
    return results


def run_sweep(ratings: Ratings, rng: np.random.Generator) -> list[Result]:
    """Fit the model with biases for 100 epochs with each λ, and return the test RMSE of the best epoch of each."""
    results = []
    for lam, published in LAMBDA_SWEEP.items():
        fitted = run(biased(lam, 100), ratings, rng)
        results.append(
            Result(f"mini-batch GD, biases, λ = {lam:g}: best epoch", published, min(fitted.test_rmse), 4, fitted, True)
        )
    return results


def run_published() -> tuple[Ratings, list[Result]]:
    """Run all published experiments in order, and return the data set and the reproduced numbers."""
    rng = np.random.default_rng(SEED)
    ratings = published_ratings(rng)
    check = check_corner(ratings, rng)
    n_test = 0 if ratings.validation is None else len(ratings.validation)
    results = [
        Result("training ratings", TRAIN_RATINGS, len(ratings), 0),
        Result("test ratings", TEST_RATINGS, n_test, 0),
        Result("gradient check: ∂L/∂U₀₀", FIRST_GRADIENT, float(check.analytic[0][0, 0]), 8),
        Result(
            "gradient check: relative error of ∂L/∂U₀₀",
            LARGEST_RELATIVE_ERROR,
            float(check.relative_error[0][0, 0]),
            -1,
        ),
    ]
    results += run_methods(ratings, rng)
    return ratings, results + run_sweep(ratings, rng)
