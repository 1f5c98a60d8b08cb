"""Tests of Parquet files written by pandas: nanoseconds, categories and nullable integers."""

from datetime import datetime

import pandas as pd
import pytest

from spark_mf.data.checking import CheckRules, clean_ratings
from spark_mf.data.readers.parquet import read_parquet
from spark_mf.data.reading import read_ratings

AS_LONG = "spark.sql.legacy.parquet.nanosAsLong"


def pandas_frame(unit="ns", zone=None, days=("2020-01-02", "1969-12-31 23:59:59.999999999")):
    times = pd.to_datetime(list(days), format="ISO8601").as_unit(unit)
    return pd.DataFrame(
        {
            "userId": pd.Categorical(["a", "b"]),
            "movieId": pd.array([1, None], dtype="Int64"),
            "rating": pd.Series([3.0, 4.0], dtype="float32"),
            "timestamp": times.tz_localize(zone) if zone else times,
            "x": [7, 8],
        }
    )


def test_nanoseconds_are_read_as_times(spark, tmp_path):
    """Rounded down to microseconds; the session's setting is back where it was, and is not needed afterwards."""
    (tmp_path / "a %b").mkdir()
    pandas_frame().to_parquet(tmp_path / "a %b" / "naive.parquet")
    pandas_frame(zone="UTC").to_parquet(tmp_path / "utc.parquet")
    naive, utc = read_parquet(spark, str(tmp_path / "a %b")), read_parquet(spark, str(tmp_path / "utc.parquet"))
    assert spark.conf.get(AS_LONG) == "false"
    expected = [datetime(2020, 1, 2), datetime(1969, 12, 31, 23, 59, 59, 999999)]
    assert [row.timestamp for row in naive.collect()] == expected
    schema = "struct<userId:string,movieId:bigint,rating:float,timestamp:timestamp_ntz,x:bigint>"
    assert naive.schema.simpleString() == schema
    assert [row[0] for row in utc.selectExpr("unix_micros(timestamp)").collect()] == [1_577_923_200_000_000, -1]
    spark.conf.set(AS_LONG, "true")
    try:
        assert read_parquet(spark, str(tmp_path / "utc.parquet")).schema == utc.schema
        assert spark.conf.get(AS_LONG) == "true"
    finally:
        spark.conf.unset(AS_LONG)


def test_ratings_of_pandas(spark, tmp_path):
    """Through the check, which also looks at where a row is and what it says."""
    first, second = pandas_frame(), pandas_frame(days=("2021-01-01", "2021-01-02"))
    first.to_parquet(tmp_path / "1.parquet")
    second.to_parquet(tmp_path / "2.parquet")
    clean = clean_ratings(spark, tmp_path, rules=CheckRules("reject", "last"))
    assert [tuple(row) for row in clean.accepted.collect()] == [("a", 1, 3.0, datetime(2021, 1, 1))]
    assert clean.reasons == {"movieId is missing": 2, "a later row rates the same item by the same user": 1}
    shown = "".join(row.text for row in clean.rejected.collect() if row.line == 2)
    assert '"timestamp":"2021-01-02T00:00:00.000"' in shown
    clean.unpersist()


def test_nanoseconds_in_some_files_only(spark, tmp_path):
    """Spark reads all files by the schema of one, and would take nanoseconds for seconds."""
    pandas_frame().to_parquet(tmp_path / "1.parquet")
    pandas_frame().assign(timestamp=[1, 2]).to_parquet(tmp_path / "2.parquet")
    with pytest.raises(ValueError, match=r"same schema, got column timestamp with times in nanoseconds in only one of"):
        read_ratings(spark, tmp_path)
