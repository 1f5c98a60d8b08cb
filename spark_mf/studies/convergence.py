"""Study of the convergence of SGD, mini-batch SGD, momentum, Adam, ALS, and pyspark's ALS."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from spark_mf.benchmarks.environment import provenance
from spark_mf.benchmarks.measuring import Bench, RatingCounts
from spark_mf.benchmarks.methods import pyspark_als
from spark_mf.benchmarks.plots import (
    CONVERGENCE_BY_ITERATION,
    CONVERGENCE_BY_TIME,
    draw_convergence_by_iteration,
    draw_convergence_by_time,
)
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.studies.fits import Fits
from spark_mf.studies.readings import (
    best,
    best_rmse,
    error_table,
    finished,
    given_to_fits,
    held_out_rmse,
    last_rmse,
    lowest,
)
from spark_mf.studies.study import Study

_NEAR = 0.01
# Without a checkpoint folder, pyspark's ALS keeps the lineage of all iterations: 20 overflowed the stack of the JVM.
_MOST_PYSPARK_ITERATIONS = 10


def run(fits: Fits) -> Iterator[ResultRow]:
    """Fit each method from random factors, with the same objective and λ."""
    tuning = fits.settings.tuning
    yield fits.sgd("SGD")
    yield fits.batch_sgd("mini-batch SGD")
    yield fits.momentum_sgd("momentum")
    yield fits.batch_sgd("Adam", optimizer="adam", stepSize=tuning.adam_step_size)
    yield fits.als("ALS")
    yield _pyspark(fits)


def _pyspark(fits: Fits) -> ResultRow:
    tuning, split = fits.settings.tuning, fits.data.split
    assert split is not None
    spark = split.train.sparkSession
    iterations = min(tuning.iterations, _MOST_PYSPARK_ITERATIONS)
    lam = weighted_lambda(tuning.reg_param, tuning.regularization, split)
    params = {"rank": tuning.rank, "maxIter": iterations, "regParam": lam, "seed": fits.settings.seed}
    bench = Bench(split, provenance(spark))
    method = pyspark_als("pyspark", params, spark.sparkContext.defaultParallelism)
    bench.warm_up([method])
    row = bench.run(method)
    if row.error is None:
        row = bench.add_refits(method, bench.add_setup(method, row), fits.settings.pyspark_history)
    return replace(row, label="pyspark's ALS")


def weighted_lambda(lam: float, regularization: str, data: RatingCounts) -> float:
    """Return the λ of the weighted objective, the only one of pyspark, that corresponds to `lam` of another objective.

    All penalties are Σ w‖row‖². With w = λ'n_row, the weights of all n + m rows sum to 2λ'|Ω|. The function returns the
    λ' for which this is the sum with w = λ ("plain") or w = λ|Ω| ("mean").
    """
    rows, n_train = data.users + data.items, data.ratings - data.test_ratings
    return lam * {"weighted": 1.0, "plain": rows / (2 * n_train), "mean": rows / 2}[regularization]


def draw(rows: Sequence[ResultRow], folder: Path) -> list[str]:
    """Draw test and training RMSE by iteration or epoch, and by time."""
    fitted = finished(rows)
    if not fitted:
        return []
    draw_convergence_by_iteration(fitted, folder / CONVERGENCE_BY_ITERATION)
    draw_convergence_by_time(fitted, folder / CONVERGENCE_BY_TIME)
    return [CONVERGENCE_BY_ITERATION, CONVERGENCE_BY_TIME]


def findings(rows: Sequence[ResultRow]) -> str:
    """Return the errors, the best method, and the first iteration of each method that is close to its last error."""
    parts = [error_table(rows)]
    found = lowest(rows)
    if found is not None:
        parts.append(
            f"{found.label} has the lowest test RMSE, {best_rmse(found):.4f} in iteration {best(found).iteration}. "
            f"First iteration within {_NEAR:.0%} of the last test RMSE of the method: "
            + "; ".join(f"{row.label} {_near_its_end(row)}" for row in finished(rows))
            + "."
        )
    if any(row.model == "pyspark.ALS" and row.regularization != rows[0].regularization for row in rows):
        parts.append(
            "pyspark's ALS supports only the weighted objective. Its λ is chosen so that the penalty weights of all "
            "rows have the same sum as for the other methods, so its error is comparable but not identical."
        )
    if any(row.master == "numpy" for row in rows):
        parts.append(
            "Times are those of NumPy, and of Spark's overhead on a very small data set; they do not indicate the "
            "speed on large data."
        )
    return "\n\n".join(parts)


def _near_its_end(row: ResultRow) -> int:
    end = last_rmse(row)
    measured = [record for record in row.history if record.validation_rmse is not None]
    return next(record.iteration for record in measured if abs(held_out_rmse(record) - end) <= _NEAR * end)


CONVERGENCE = Study(
    name="convergence",
    asks="How fast do SGD, mini-batch SGD, momentum, Adam and ALS decrease the error, by epochs and by seconds, "
    "compared with pyspark's ALS? An epoch of SGD uses every training rating once, and an iteration of ALS twice.",
    row_type=ResultRow,
    pictures=(CONVERGENCE_BY_ITERATION, CONVERGENCE_BY_TIME),
    run=run,
    draw=draw,
    findings=findings,
    given=given_to_fits,
    needs_spark=True,
)
