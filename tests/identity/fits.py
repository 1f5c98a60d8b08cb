"""Whether two versions of the sources fit the same models, bit for bit.

Record the factors of many small fits with each version, in processes of their own, and compare the files:

    git worktree add ../before COMMIT
    PYTHONPATH=../before python tests/identity/fits.py record before.npz
    PYTHONPATH=. python tests/identity/fits.py record after.npz
    python tests/identity/fits.py compare before.npz after.npz
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

REGULARIZATIONS = ("weighted", "plain", "mean")
OPTIMIZERS = ("sgd", "momentum", "adagrad", "adam")
BLOCKS: dict[str, Any] = {"numUserBlocks": 2, "numItemBlocks": 3}
REG_PARAMS = {"weighted": 0.05, "plain": 1.0, "mean": 0.0005}


def als_settings() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield name, estimator and Params of every fit of ALS, GD and SGD on integer ids."""
    for engine in ("ring", "broadcast"):
        for regularization in REGULARIZATIONS:
            common: dict[str, Any] = {
                "rank": 7,
                "regularization": regularization,
                "regParam": REG_PARAMS[regularization],
            }
            common |= {"engine": engine, "seed": 3, "validationIndicatorCol": "held_out"} | BLOCKS
            for solver in ("cholesky", "cg", "gd"):
                name = f"ALS {solver} {engine} {regularization}"
                yield name, "ALS", common | {"solver": solver, "maxIter": 4}
            yield f"GD {engine} {regularization}", "GD", common | {"maxIter": 6, "stepSize": 5.0}
        tol: dict[str, Any] = {"rank": 5, "engine": engine, "seed": 1, "maxIter": 40, "tol": 2.0} | BLOCKS
        yield f"ALS tol {engine}", "ALS", tol
        yield f"ALS cg innerTol {engine}", "ALS", tol | {"solver": "cg", "innerTol": 0.05, "innerSteps": 5}
        yield f"GD tol {engine}", "GD", tol | {"tol": 3.0, "stepSize": 4.0, "initStd": 0.3}
    for engine in ("ring", "stages"):
        for optimizer in OPTIMIZERS:
            common = {"rank": 6, "engine": engine, "optimizer": optimizer, "seed": 2, "maxIter": 4, "stepSize": 0.01}
            common |= {"validationIndicatorCol": "held_out"} | BLOCKS
            yield f"SGD {optimizer} {engine}", "SGD", common
        plain: dict[str, Any] = {
            "rank": 6,
            "engine": engine,
            "fitBias": False,
            "schedule": "boldDriver",
            "maxIter": 5,
            "tol": 1e-4,
        }
        yield f"SGD plain boldDriver {engine}", "SGD", plain | {"regularization": "plain", "batchSize": 4} | BLOCKS
        mean: dict[str, Any] = {
            "rank": 6,
            "engine": engine,
            "maxIter": 4,
            "updateOrder": "sequential",
            "schedule": "inverse",
        }
        yield f"SGD mean sequential {engine}", "SGD", mean | {"regularization": "mean", "regParam": 1e-5} | BLOCKS


def record(path: str) -> None:
    """Fit everything with the sources on the path, and save all factors, biases and histories."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F

    import spark_mf

    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.shuffle.partitions", "4").config("spark.driver.memory", "2g")
    spark = builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    rows = spark.range(0, 6000, 1, 3).selectExpr(
        "cast(hash(id, 1) % 97 + 97 as int) user",
        "cast(hash(id, 2) % 53 + 53 as int) item",
        "cast((hash(id, 3) % 9 + 9) / 2 + 0.5 as float) rating",
        "id % 10 = 0 held_out",
    )
    named = rows.withColumn("user", F.concat(F.lit("u"), "user")).withColumn("item", F.concat(F.lit("i"), "item"))
    found: dict[str, np.ndarray] = {}

    def keep(name: str, model: Any) -> None:
        for side in ("userFactors", "itemFactors"):
            frame = getattr(model, side).toPandas().sort_values("id")
            found[f"{name} {side}"] = np.array(frame["features"].tolist(), np.float32)
            if "bias" in frame:
                found[f"{name} {side} bias"] = frame["bias"].to_numpy(np.float32)
        metrics = ("objective", "train_rmse", "validation_rmse", "step_size", "product_change")
        history = [[getattr(step, metric) for metric in metrics] for step in model.summary.history]
        found[f"{name} history"] = np.array(history, np.float64)
        print(f"{name}: {len(history)} iterations", flush=True)

    for name, estimator, params in als_settings():
        keep(name, getattr(spark_mf, estimator)(**params).fit(rows))
    for estimator, params in (("ALS", {"rank": 4, "maxIter": 3}), ("SGD", {"rank": 4, "maxIter": 3})):
        keep(f"{estimator} string ids", getattr(spark_mf, estimator)(**params, seed=4, **BLOCKS).fit(named))
    with tempfile.TemporaryDirectory() as folder:
        for estimator, engine in (("ALS", "ring"), ("ALS", "broadcast"), ("SGD", "ring"), ("SGD", "stages")):
            saved: dict[str, Any] = {"rank": 4, "seed": 5, "engine": engine, "checkpointInterval": 2} | BLOCKS
            saved |= {"checkpointDir": f"{folder}/{estimator}-{engine}"}
            getattr(spark_mf, estimator)(**saved, maxIter=2).fit(rows)
            model = getattr(spark_mf, estimator)(**saved, maxIter=5).fit(rows)
            keep(f"{estimator} resumed {engine}", model)
            model.save(f"{folder}/{estimator}-{engine}-model")
            start: dict[str, Any] = {"rank": 4, "maxIter": 2, "engine": engine, "seed": 6} | BLOCKS
            warm = getattr(spark_mf, estimator)(**start, initialModel=f"{folder}/{estimator}-{engine}-model")
            keep(f"{estimator} warm start {engine}", warm.fit(rows))
    spark.stop()
    np.savez(path, **found)  # type: ignore[arg-type]


def compare(before: str, after: str) -> int:
    """Print every array that is not the same in every bit; return how many there are."""
    old, new = np.load(before), np.load(after)
    differing = sorted(set(old.files) ^ set(new.files))
    for name in sorted(set(old.files) & set(new.files)):
        if not np.array_equal(old[name], new[name], equal_nan=True):
            differing.append(name)
            shapes = old[name].shape == new[name].shape
            print(name, np.nanmax(np.abs(old[name] - new[name])) if shapes else (old[name].shape, new[name].shape))
    print(f"{len(set(old.files) | set(new.files))} arrays, {len(differing)} of them not the same in every bit")
    return len(differing)


if __name__ == "__main__":
    if sys.argv[1] == "record":
        record(sys.argv[2])
    else:
        sys.exit(compare(*sys.argv[2:]) > 0)
