"""Operations of one iteration of each method, as functions of its sizes.

An operation is a multiplication with the addition that goes with it; a division or a square root counts as one, too.
n users, m items, `ratings` = |Ω| and rank K throughout. Setting up, drawing an order and the history are not counted.
"""


def gd_operations(n: int, m: int, ratings: int, rank: int) -> int:
    """Return operations of one step of gradient descent: 3|Ω|K + 2(n + m)K.

    For each rating K for its error r − u·v, K to add e·v to the user's gradient and K to add e·u to the item's; for
    each entry of U and V one for its penalty and one for the step.
    """
    return 3 * ratings * rank + 2 * (n + m) * rank


def als_operations(n: int, m: int, ratings: int, rank: int) -> int:
    """Return operations of one iteration of ALS: |Ω|K(K + 3) + (n + m)(K³ + 9K² + 14K)/6.

    Each rating comes in two half-steps, each time K(K + 1)/2 for the lower half of FᵀF and K for Fᵀr. A row adds its
    penalty to K entries of the diagonal, and its Cholesky factorization takes (K³ − K)/6 multiplications, K(K − 1)/2
    divisions and K roots, and its two triangular systems K(K + 1)/2 each (Golub and Van Loan, "Matrix computations",
    4th ed., §3.1 and §4.2, which count twice as many flops):
    K + (K³ − K)/6 + K(K + 1)/2 + K(K + 1) = (K³ + 9K² + 14K)/6.
    """
    K = rank
    return ratings * K * (K + 3) + (n + m) * (K**3 + 9 * K**2 + 14 * K) // 6


def als_gd_operations(n: int, m: int, ratings: int, rank: int, innerSteps: int) -> int:
    """Return operations of one iteration of ALS+GD: L(2|Ω|(3K + 1) + (n + m)(3K + 2)), L the steps of each row.

    For each step, and each rating in both half-steps, K for f·x − r, K to add it times f to g, K for f·g and 1 for
    its square in gᵀA g. For each row K for the penalty of g, K for ‖g‖², 1 for its part of gᵀA g, 1 for the length
    and K for the step. Without K² and K³ it is cheaper than ALS where L is below about K/6.
    """
    return innerSteps * (2 * ratings * (3 * rank + 1) + (n + m) * (3 * rank + 2))


def sgd_operations(ratings: int, rank: int) -> int:
    """Return operations of one epoch of stochastic gradient descent on touched rows without biases: |Ω|(5K + 1).

    For each rating K for its error, 1 for 2·step·e, and 2K for each of its rows, (1 − 2·step·share·λ)·u + 2·step·e·v.
    Rows without ratings cost nothing, so neither n nor m counts.
    """
    return ratings * (5 * rank + 1)
