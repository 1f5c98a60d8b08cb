"""Number of operations of one iteration of each method.

An operation is a multiply-add, a division or a square root. There are n users, m items, `ratings` = |Ω| ratings, and K
is the rank. Initialization, random orders and the history are not counted.
"""


def gd_operations(n: int, m: int, ratings: int, rank: int) -> int:
    """Return the operations of one step of gradient descent: 3|Ω|K + 2(n + m)K.

    Each rating takes K for its error r − u·v, K to add e·v to the user's gradient and K to add e·u to the item's; each
    entry of U and V takes one for its penalty and one for the step.
    """
    return 3 * ratings * rank + 2 * (n + m) * rank


def als_operations(n: int, m: int, ratings: int, rank: int) -> int:
    """Return the operations of one iteration of ALS: |Ω|K(K + 3) + (n + m)(K³ + 9K² + 14K)/6.

    Each rating takes K(K + 1)/2 for the lower half of FᵀF and K for Fᵀr in each of the two half-steps. A row adds its
    penalty to K entries of the diagonal; its Cholesky factorization takes (K³ − K)/6 multiplications, K(K − 1)/2
    divisions and K roots; its two triangular systems take K(K + 1)/2 each (Golub and Van Loan, "Matrix computations",
    4th ed., §3.1 and §4.2, which count twice as many flops):
    K + (K³ − K)/6 + K(K + 1)/2 + K(K + 1) = (K³ + 9K² + 14K)/6.
    """
    K = rank
    return ratings * K * (K + 3) + (n + m) * (K**3 + 9 * K**2 + 14 * K) // 6


def als_gd_operations(n: int, m: int, ratings: int, rank: int, innerSteps: int) -> int:
    """Return the operations of one iteration of ALS+GD: L(2|Ω|(3K + 1) + (n + m)(3K + 2)), with L steps per row.

    In each step, each rating takes K for f·x − r, K to add its product with f to g, K for f·g and 1 for its square in
    gᵀA g, in both half-steps. Each row takes K for the penalty of g, K for ‖g‖², 1 for its part of gᵀA g, 1 for the
    length and K for the step. Without K² and K³, this is cheaper than ALS if L is below about K/6.
    """
    return innerSteps * (2 * ratings * (3 * rank + 1) + (n + m) * (3 * rank + 2))


def sgd_operations(ratings: int, rank: int) -> int:
    """Return the operations of one epoch of SGD without biases on touched rows: |Ω|(5K + 1).

    Each rating takes K for its error, 1 for 2·step·e, and 2K for (1 − 2·step·share·λ)·u + 2·step·e·v of each of its two
    rows. Rows without ratings cost nothing, so the number does not depend on n and m.
    """
    return ratings * (5 * rank + 1)
