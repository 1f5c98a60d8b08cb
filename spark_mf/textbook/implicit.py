"""Objectives of implicit feedback, their gradient, and the recall of recommendations.

A rating r is the strength of an observation, for example a count f of purchases, and not a degree of liking. The model
predicts the preference p = 1 if r > 0, else 0, of *all* pairs of a user and an item, where r = 0 for pairs without a
rating. There are two objectives, each plus penalties:

======================== ===================================== ======================================================
`alpha` (default)        Σ_all c (p − u·v)², c = 1 + α·|r|     Hu, Koren and Volinsky 2008, "Collaborative filtering
                                                               for implicit feedback datasets", eq. 3, in the form of
                                                               pyspark's ALS
`unobservedWeight` = α₀  Σ_{r > 0} (1 − u·v)² + α₀ Σ_all       Rendle, Krichene, Zhang and Koren 2022, "Revisiting the
                         (u·v)²                                performance of iALS on item recommendation benchmarks",
                                                               eq. 2
======================== ===================================== ======================================================

Hu et al. have c = 1 + α·r with r ≥ 0. As in pyspark, the absolute value makes a negative rating a confident observation
of p = 0. Penalties are those of `spark_mf.textbook.loss`, where n_u and n_i count ratings > 0 only, |Ω| counts all
ratings, and "frequency" is λ(n_row + α₀·n_other)^ν (Rendle et al., eq. 9), with n_other rows on the other side, and
α₀ = 1 for the first objective.

With the same α·|r| = a for all pairs with a rating, all of which are > 0, the first objective is

    a·[Σ_{r > 0} (t − u·v)² + (1/a) Σ_all (u·v)²] − |Ω|·t + penalties,    t = 1 + 1/a,

which is that of iALS with α₀ = 1/a, the target t instead of 1, and λ/a instead of λ. Dividing the factors by √t turns
the target into 1: ALS with (alpha, regParam) = (a, λ) and ratings of 1 has √t times the factors, and therefore t times
the predictions and the same recommendations, of ALS with (unobservedWeight, regParam) = (1/a, λ/(a + 1)), for all
regularizations except "frequency", in which α₀ differs.

Shapes: R float64[n, m] with 0 for pairs without a rating, observed bool[n, m], U float64[n, k], V float64[m, k].
"""

from typing import NamedTuple

import numpy as np

from spark_mf.textbook.loss import row_penalties
from spark_mf.textbook.model import Parameters
from spark_mf.textbook.ratings import Mask, Matrix, Ratings, Vector

#: Length of the lists of recommendations whose recall is measured.
RECALL_AT = 10


class Feedback(NamedTuple):
    """The quadratic Σ_all C (T − u·v)² + constant, which both objectives are.

    Attributes
    ----------
    C : float64[n, m]
        Weights, > 0.
    T : float64[n, m]
        Targets.
    constant : float
    """

    C: Matrix
    T: Matrix
    constant: float


def feedback(R: Matrix, alpha: float | None = None, unobservedWeight: float | None = None) -> Feedback:
    """Return the weights and targets of the errors of all pairs.

    With α, they are the confidence c and the preference p. With α₀, completing the square of each pair gives

        p(1 − x)² + α₀x² = C(T − x)² + p(1 − T),    C = p + α₀, T = p/C

    Parameters
    ----------
    alpha : float, optional
        α, by default 1.
    unobservedWeight : float, optional
        α₀ > 0; by default the objective with α.
    """
    P = (R > 0).astype(np.float64)
    if unobservedWeight is None:
        return Feedback(1 + (1.0 if alpha is None else alpha) * abs(R), P, 0.0)
    C = P + unobservedWeight
    T = P / C
    return Feedback(C, T, float((P * (1 - T)).sum()))


def implicit_penalties(
    R: Matrix,
    observed: Mask,
    regParam: float,
    regularization: str = "weighted",
    *,
    unobservedWeight: float | None = None,
    userRegParam: float | None = None,
    itemRegParam: float | None = None,
    regExponent: float | None = None,
) -> tuple[Vector, Vector]:
    """Return the weights w of ‖u‖² and of ‖v‖² in the sum form, as float64[n] and float64[m]."""
    positive, scale = R > 0, 1.0 if unobservedWeight is None else unobservedWeight
    sides = (
        (positive.sum(axis=1), userRegParam, scale * R.shape[1]),
        (positive.sum(axis=0), itemRegParam, scale * R.shape[0]),
    )
    w_U, w_V = (
        row_penalties(
            counts, regParam if own is None else own, regularization, regExponent, int(observed.sum()), unobserved
        )
        for counts, own, unobserved in sides
    )
    return w_U, w_V


def implicit_loss(
    R: Matrix,
    observed: Mask,
    U: Matrix,
    V: Matrix,
    regParam: float,
    regularization: str = "weighted",
    *,
    alpha: float | None = None,
    unobservedWeight: float | None = None,
    **penalties: float | None,
) -> float:
    """Return the objective in the table of this module, from all n·m errors.

    Parameters
    ----------
    alpha, unobservedWeight : float, optional
        α, by default 1; α₀, by default the objective with α.
    **penalties : float, optional
        userRegParam, itemRegParam and regExponent, as in `spark_mf.textbook.loss.loss`.
    """
    P, X = (R > 0).astype(np.float64), U @ V.T
    if unobservedWeight is None:
        errors = ((1 + (1.0 if alpha is None else alpha) * abs(R)) * (P - X) ** 2).sum()
    else:
        errors = (P * (1 - X) ** 2).sum() + unobservedWeight * (X**2).sum()
    w_U, w_V = implicit_penalties(R, observed, regParam, regularization, unobservedWeight=unobservedWeight, **penalties)
    total = errors + w_U @ (U**2).sum(axis=1) + w_V @ (V**2).sum(axis=1)
    return float(total / observed.sum() if regularization == "mean" else total)


def implicit_gradient(
    R: Matrix,
    observed: Mask,
    U: Matrix,
    V: Matrix,
    regParam: float,
    regularization: str = "weighted",
    *,
    alpha: float | None = None,
    unobservedWeight: float | None = None,
    **penalties: float | None,
) -> tuple[Matrix, Matrix]:
    """Return the gradient (∂U, ∂V) of `implicit_loss`, whose parameters are the same.

    In the sum form, ∂U = −2 E V + 2 w_U U and ∂V = −2 Eᵀ U + 2 w_V V with E = C(T − U Vᵀ), entry by entry.
    """
    C, T, _ = feedback(R, alpha, unobservedWeight)
    E = C * (T - U @ V.T)
    w_U, w_V = implicit_penalties(R, observed, regParam, regularization, unobservedWeight=unobservedWeight, **penalties)
    scale = observed.sum() if regularization == "mean" else 1
    return (-2 * E @ V + 2 * w_U[:, None] * U) / scale, (-2 * E.T @ U + 2 * w_V[:, None] * V) / scale


def validation_recall(parameters: Parameters, ratings: Ratings, k: int = RECALL_AT) -> float | None:
    """Return the mean recall@k of the validation ratings > 0, None if there are none.

    The recall of a user is the number of relevant items among the k items with the highest predictions that have no
    training rating of the user, divided by the smaller of k and the number of relevant items (Rendle et al. 2022, §4.1;
    Liang, Krishnan, Hoffman and Jebara 2018, "Variational autoencoders for collaborative filtering", eq. 9). It is
    averaged over all users with relevant items; `spark_mf.ALS` samples about 2000 users.
    """
    if ratings.validation is None:
        return None
    relevant = np.zeros(ratings.shape, bool)
    held_out = ratings.validation.values > 0
    relevant[ratings.validation.users[held_out], ratings.validation.items[held_out]] = True
    scores = np.where(ratings.observed, -np.inf, parameters.U @ parameters.V.T)
    recommended = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(relevant, recommended, axis=1).sum(axis=1)
    most = np.minimum(relevant.sum(axis=1), recommended.shape[1])
    return float((hits[most > 0] / most[most > 0]).mean()) if most.any() else None
