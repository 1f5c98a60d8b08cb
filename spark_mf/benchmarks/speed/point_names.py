"""Names of the benchmark's points, each of which is measured in its own process."""

OPENBLAS, NO_NATIVE_BLAS = "pyspark-openblas", "pyspark-java"
SGD, ONE_PROCESS, NNLS = "sgd", "sgd-one-process", "nnls"
BROADCAST = "-broadcast"

# Implicit feedback: the weighted objective, as pyspark's, and the plain one, which the libraries minimise.
IMPLICIT, PLAIN, HIGH_RANK = "implicit-", "plain-", "high-rank-"
IMPLICIT_OPENBLAS = f"{IMPLICIT}{OPENBLAS}"
LIBRARY_POINTS = {"library-implicit": "implicit", "library-irspack": "irspack"}

DEFAULT_POINTS = (
    "cholesky",
    "cg",
    f"cholesky{BROADCAST}",
    f"cg{BROADCAST}",
    NNLS,
    SGD,
    ONE_PROCESS,
    OPENBLAS,
    NO_NATIVE_BLAS,
)
OBJECTIVE_POINTS = (
    f"{IMPLICIT}cholesky",
    f"{IMPLICIT}cg",
    IMPLICIT_OPENBLAS,
    f"{PLAIN}cholesky",
    f"{PLAIN}cg",
    f"{PLAIN}subspace",
    *LIBRARY_POINTS,
    f"{HIGH_RANK}cholesky",
    f"{HIGH_RANK}subspace",
    f"{HIGH_RANK}{IMPLICIT}cholesky",
    f"{HIGH_RANK}{IMPLICIT}subspace",
)
POINTS = (*DEFAULT_POINTS, *OBJECTIVE_POINTS)

TIMES = (
    "one or two each for spark_mf.ALS by its solvers, on the ring and by broadcasts, for nonnegative factors (nnls), "
    "for spark_mf.SGD (evaluated after each epoch and not), and for its kernels in one process without Spark; 10 for "
    "pyspark.ALS with native OpenBLAS and 25 without. Not among the defaults: 2 to 4 each for implicit feedback by "
    "spark_mf.ALS (implicit and plain); 40 for implicit-pyspark-openblas; 10 each for the libraries implicit and "
    "irspack on one machine; 5 to 10 each for high-rank"
)


def uses_openblas(point: str) -> bool:
    """Return whether a point is one of pyspark with OpenBLAS."""
    return point in (OPENBLAS, IMPLICIT_OPENBLAS)


def is_high_rank(point: str) -> bool:
    """Return whether a point fits the data set of high ranks."""
    return point.startswith(HIGH_RANK)
