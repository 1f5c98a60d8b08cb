"""Reading of Parquet files, including times in nanoseconds of pandas, which Spark does not read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType

from spark_mf.data.columns import quoted
from spark_mf.storage.files import SAMPLED_FILES, hadoop_path, reader_of

_AS_LONG = "spark.sql.legacy.parquet.nanosAsLong"


def read_parquet(spark: SparkSession, path: str) -> DataFrame:
    """Read a Parquet file or folder, with nanoseconds since 1970 as timestamps. Lazy.

    Raises
    ------
    ValueError
        If a column has nanoseconds in some files only.
    """
    with _nanos_as_long(spark):
        # The setting affects only the schema: nanoseconds are read as integers.
        frame = reader_of(spark, path).parquet(path)
    longs = [field.name for field in frame.schema if isinstance(field.dataType, LongType)]
    if not longs:
        return frame
    files = frame.inputFiles()
    found = [_nanos(spark, file) for file in files[:SAMPLED_FILES]]
    if any(found):
        # Without this check, times that are wrong by a factor of 1,000 in some files would not be noticed.
        found += [_nanos(spark, file) for file in files[SAMPLED_FILES:]]
    for number, of_file in enumerate(found):
        unlike = {name for name in longs if of_file.get(name) != found[0].get(name)}
        if unlike:
            raise ValueError(
                f"The files of {path} must have the same schema, got column {min(unlike)} with times in nanoseconds in "
                f"only one of {files[0]} and {files[number]}. Write all of them in the same way, for "
                "instance with to_parquet(coerce_timestamps='us') of pandas."
            )
    return frame.withColumns(
        {name: _from_nanos(F.col(quoted(name)), found[0][name]) for name in longs if name in found[0]}
    )


@contextmanager
def _nanos_as_long(spark: SparkSession) -> Iterator[None]:
    before = spark.conf.get(_AS_LONG, None)
    spark.conf.set(_AS_LONG, "true")
    try:
        yield
    finally:
        if before is None:
            spark.conf.unset(_AS_LONG)
        else:
            spark.conf.set(_AS_LONG, before)


def _nanos(spark: SparkSession, uri: str) -> dict[str, bool]:
    """Return whether each column of nanoseconds in a file is in UTC rather than without a zone."""
    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(jvm.java.net.URI(uri))
    _, file_system = hadoop_path(spark, path.toString())
    file = jvm.org.apache.parquet.hadoop.util.HadoopInputFile.fromPath(path, file_system.getConf())
    reader = jvm.org.apache.parquet.hadoop.ParquetFileReader.open(file)
    try:
        fields = list(reader.getFileMetaData().getSchema().getFields())
    finally:
        reader.close()
    annotations = {field.getName(): str(field.getLogicalTypeAnnotation()) for field in fields}
    return {
        name: text == "TIMESTAMP(NANOS,true)"
        for name, text in annotations.items()
        if text.startswith("TIMESTAMP(NANOS,")
    }


def _from_nanos(nanos: Column, is_utc: bool) -> Column:
    # Rounded down, also before 1970.
    micros = F.call_function("div", nanos - F.pmod(nanos, F.lit(1000)), F.lit(1000))
    if is_utc:
        return F.timestamp_micros(micros)
    return F.timestamp_add("MICROSECOND", micros, F.lit("1970-01-01").cast("timestamp_ntz"))
