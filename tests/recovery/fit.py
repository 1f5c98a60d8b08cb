"""A program of its own that fits: `fit.py ALS|SGD FOLDER`, with `estimator/` and `ratings/` in the folder."""

import sys

import spark_mf
from spark_mf.cli.session import local_session

name, folder = sys.argv[1:]
settings = {
    "spark.local.dir": f"{folder}/local",
    "spark.sql.warehouse.dir": f"{folder}/warehouse",
    "spark.sql.shuffle.partitions": "4",
}
session = local_session("fit", master="local[2]", driver_memory="1g", extra_conf=settings)
getattr(spark_mf, name).load(f"{folder}/estimator").fit(session.read.parquet(f"{folder}/ratings"))
