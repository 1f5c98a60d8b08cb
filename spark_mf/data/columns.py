"""Columns of ratings by their Params: present, of a usable type, and cast to the types of the blocks."""

from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DataType, IntegerType, IntegralType, NumericType, StringType, StructType

_CREATE = 'spark.createDataFrame(rows, ["user", "item", "rating"])'
#: What is taken for a Spark DataFrame, by the module and the name of its class or of a class that it inherits from (no
#: library is imported to look), what to call it, and how to make a DataFrame of it.
_OTHER_DATA = (
    ("pyspark.pandas.", "DataFrame", "a pandas-on-Spark DataFrame", "Use its to_spark()."),
    ("pandas.", "DataFrame", "a pandas DataFrame", "Use spark.createDataFrame(...)."),
    ("polars.", "DataFrame", "a Polars DataFrame", "Use spark.createDataFrame(frame.to_arrow())."),
    ("pyarrow.", "Table", "an Arrow table", "Use spark.createDataFrame(...)."),
    ("numpy.", "ndarray", "a NumPy array", f"Use {_CREATE}."),
    ("builtins.", "list", "a list", f"Use {_CREATE}."),
    ("builtins.", "tuple", "a tuple", f"Use {_CREATE}."),
    ("builtins.", "str", "a string", "Use spark.read to read files, as in spark.read.parquet(path)."),
    ("pathlib.", "PurePath", "a path", "Use spark.read to read files, as in spark.read.parquet(path)."),
    ("pyspark.", "RDD", "an RDD", 'Use its toDF(["user", "item", "rating"]).'),
    (
        "spark_mf.",
        "PartitionedRatings",
        "PartitionedRatings",
        "Only fit accepts it. Use the ratings that it was made from.",
    ),
)


def select_ratings(
    dataset: DataFrame,
    userCol: str,
    itemCol: str,
    ratingCol: str,
    validationIndicatorCol: str | None = None,
) -> DataFrame:
    """Return the ratings of a dataset in one fixed schema. Lazy; no row is dropped.

    Parameters
    ----------
    dataset : DataFrame
    userCol, itemCol : str
        Columns of strings or of any numeric type.
    ratingCol : str
        A column of any numeric type, or "" for a rating of 1.0 in every row.
    validationIndicatorCol : str, optional
        A boolean column, true for validation; null counts as false. Without it, no row is for validation, and no
        column says so: a constant would cost as much as a rating on its way into Python.

    Returns
    -------
    DataFrame (user and item int, bigint or string, rating float, and with an indicator validation boolean)
        `user` and `item` are strings where the column holds strings; else null where the id is null, no whole
        number or too large for 64 bits. `rating` may be null, NaN or infinite. Counting and setting aside such
        rows is the caller's.

    Raises
    ------
    ValueError
        For a column that is missing, there twice or of an unusable type.
    TypeError
        When `dataset` is no DataFrame of a classic Spark session.
    """
    require_classic(dataset)
    schema = dataset.schema
    rating = F.lit(1.0)
    if ratingCol:
        require_numeric(schema, "ratingCol", ratingCol)
        rating = F.col(quoted(ratingCol))
    validation = []
    if validationIndicatorCol is not None:
        _require_boolean(schema, "validationIndicatorCol", validationIndicatorCol)
        validation = [F.coalesce(F.col(quoted(validationIndicatorCol)), F.lit(False)).alias("validation")]
    return dataset.select(
        usable_ids(F.col(quoted(userCol)), require_ids(schema, "userCol", userCol)).alias("user"),
        usable_ids(F.col(quoted(itemCol)), require_ids(schema, "itemCol", itemCol)).alias("item"),
        rating.cast("float").alias("rating"),
        *validation,
    )


def require_classic(dataset: Any) -> None:
    """Refuse what is no DataFrame of a classic Spark session.

    Raises
    ------
    TypeError
        For a DataFrame of a Spark Connect session, which has neither broadcasts nor RDDs, and for anything else; the
        sentence says how to make a DataFrame of it.
    """
    # By name: importing pyspark's Connect classes needs packages that a classic session does not.
    if type(dataset).__module__.startswith("pyspark.sql.connect."):
        raise TypeError(
            "dataset must be a DataFrame of a classic Spark session, got one of a Spark Connect session. "
            "Use SparkSession.builder.master(...) without remote(...)."
        )
    if not isinstance(dataset, DataFrame):
        found, way = _kind_of_data(dataset)
        raise TypeError(f"dataset must be a Spark DataFrame, got {found}. {way}")


def _kind_of_data(dataset: Any) -> tuple[str, str]:
    """Return what an object is that is no DataFrame, and a sentence on how to make one."""
    for module, name, found, way in _OTHER_DATA:
        if any(cls.__name__ == name and f"{cls.__module__}.".startswith(module) for cls in type(dataset).__mro__):
            return found, way
    found = "None" if dataset is None else f"an object of type {type(dataset).__name__}"
    return found, f"Use spark.read or {_CREATE}."


def require_column(schema: StructType, param: str, name: str) -> DataType:
    """Return the type of the column that a Param names.

    Raises
    ------
    ValueError
        When no column, or more than one, has that name.
    """
    found = [field.dataType for field in schema if field.name == name]
    if not found:
        present = ", ".join(repr(field.name) for field in schema) or "none"
        raise ValueError(f"{param} must be a column of the dataset, got {name!r}. Set it to one of {present}.")
    if len(found) > 1:
        raise ValueError(
            f"{param} must be the name of one column of the dataset, got {name!r}, which {len(found)} columns have. "
            "Rename all but one."
        )
    return found[0]


def require_numeric(schema: StructType, param: str, name: str) -> DataType:
    """Return the type of the numeric column that a Param names.

    Raises
    ------
    ValueError
        When the column is missing, there twice, or not numeric.
    """
    data_type = require_column(schema, param, name)
    if not isinstance(data_type, NumericType):
        raise ValueError(
            f"{param} must be a numeric column, got {name!r} of type {data_type.simpleString()}. Cast it to a number."
        )
    return data_type


def require_ids(schema: StructType, param: str, name: str) -> DataType:
    """Return the type of the column of ids that a Param names.

    Raises
    ------
    ValueError
        When the column is missing, there twice, or neither numeric nor of strings.
    """
    data_type = require_column(schema, param, name)
    if not isinstance(data_type, (NumericType, StringType)):
        raise ValueError(
            f"{param} must be a column of numbers or strings, got {name!r} of type {data_type.simpleString()}. "
            "Cast it to bigint or string."
        )
    return data_type


def usable_ids(column: Column, data_type: DataType) -> Column:
    """Return a column of ids as string, or as int or bigint, null where it holds no whole number of 64 bits."""
    # Strings of a collation compare by its rules, but are joined and hashed as they are.
    return column.cast("string") if isinstance(data_type, StringType) else whole_ids(column, data_type)


def whole_ids(column: Column, data_type: DataType) -> Column:
    """Return a numeric column of `data_type` as int if it is one, else as bigint, null for no whole 64-bit number."""
    if isinstance(data_type, IntegerType):
        return column
    if isinstance(data_type, IntegralType):
        return column.cast("bigint")
    # try_cast gives null for NaN and for what is too large, but cuts fractions off.
    whole = column.try_cast("bigint")
    return F.when(column == whole, whole)


def whole_text(column: Column) -> Column:
    """Return a column of text as bigint, null where it spells no whole number of 64 bits; 12.0 is 12."""
    # The digits of the fraction go, not the fraction of a double, which holds no more than 53 bits.
    return F.coalesce(column.try_cast("bigint"), F.regexp_replace(column, r"(?<=[0-9])\.0+\s*$", "").try_cast("bigint"))


def quoted(name: str) -> str:
    """Return a column's name such that dots, blanks and backticks in it mean themselves."""
    return "`" + name.replace("`", "``") + "`"


def _require_boolean(schema: StructType, param: str, name: str) -> None:
    data_type = require_column(schema, param, name)
    if not isinstance(data_type, BooleanType):
        raise ValueError(
            f"{param} must be a boolean column, true for validation, got {name!r} of type {data_type.simpleString()}. "
            "Cast it to boolean."
        )
