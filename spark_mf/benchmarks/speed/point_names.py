"""Names of the benchmark's points, each of which is measured in its own process."""

OPENBLAS, NO_NATIVE_BLAS = "pyspark-openblas", "pyspark-java"
SGD, ONE_PROCESS, NNLS = "sgd", "sgd-one-process", "nnls"
BROADCAST = "-broadcast"

# Implicit feedback: the weighted objective, as pyspark's, and the plain one, which the libraries minimise.
IMPLICIT, PLAIN, HIGH_RANK = "implicit-", "plain-", "high-rank-"
IMPLICIT_OPENBLAS = f"{IMPLICIT}{OPENBLAS}"
LIBRARY_POINTS = {"library-implicit": "implicit", "library-irspack": "irspack"}

# Approximate minutes of each point with the default settings on 2 cores, warm-up and reading included.
_DEFAULT = {
    "cholesky": 2,
    "cg": 2,
    f"cholesky{BROADCAST}": 2,
    f"cg{BROADCAST}": 2,
    NNLS: 3,
    SGD: 2,
    ONE_PROCESS: 1,
    OPENBLAS: 10,
    NO_NATIVE_BLAS: 25,
}
_OBJECTIVES = {
    f"{IMPLICIT}cholesky": 4,
    f"{IMPLICIT}cg": 4,
    IMPLICIT_OPENBLAS: 40,
    f"{PLAIN}cholesky": 4,
    f"{PLAIN}cg": 4,
    f"{PLAIN}subspace": 5,
    "library-implicit": 5,
    "library-irspack": 12,
    f"{HIGH_RANK}cholesky": 12,
    f"{HIGH_RANK}subspace": 5,
    f"{HIGH_RANK}{IMPLICIT}cholesky": 12,
    f"{HIGH_RANK}{IMPLICIT}subspace": 4,
}
MINUTES = _DEFAULT | _OBJECTIVES
DEFAULT_POINTS, OBJECTIVE_POINTS, POINTS = tuple(_DEFAULT), tuple(_OBJECTIVES), tuple(MINUTES)


def uses_openblas(point: str) -> bool:
    """Return whether a point is one of pyspark with OpenBLAS."""
    return point in (OPENBLAS, IMPLICIT_OPENBLAS)


def is_high_rank(point: str) -> bool:
    """Return whether a point fits the data set of high ranks."""
    return point.startswith(HIGH_RANK)
