"""Selection and validation of the columns of ratings that Params name."""

from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DataType, IntegerType, IntegralType, NumericType, StringType, StructType

_CREATE = 'spark.createDataFrame(rows, ["user", "item", "rating"])'
#: Objects that are passed by mistake instead of a Spark DataFrame: module and name of their class or of a base class
#: (so that no library must be imported), description, and how to convert them to a DataFrame.
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
    weightCol: str | None = None,
) -> DataFrame:
    """Return the ratings of a dataset in one fixed schema. Lazy; no row is dropped, except those of weight 0.

    Parameters
    ----------
    dataset : DataFrame
    userCol, itemCol : str
        Columns of strings or of any numeric type.
    ratingCol : str
        A column of any numeric type, or "" for a rating of 1.0 in every row.
    validationIndicatorCol : str, optional
        A boolean column, true for validation rows; null counts as false. Without it the result has no column
        `validation`, because transferring a constant to Python would cost as much as transferring the ratings.
    weightCol : str, optional
        A column of any numeric type. Rows whose weight is 0 as a float are left out. Without it the result has no
        column `weight`.

    Returns
    -------
    DataFrame
        Columns `user` and `item` (int, bigint or string), `rating` (float) and, if they are asked for, `validation`
        (boolean) and `weight` (float). `user` and `item` are strings if the column holds strings; otherwise they are
        null if the id is null, not an integer or too large for 64 bits. `rating` and `weight` may be null, NaN or
        infinite, and `weight` negative. The caller must count and set aside such rows.

    Raises
    ------
    ValueError
        If a column is missing, occurs twice or has an unusable type.
    TypeError
        If `dataset` is not a DataFrame of a classic Spark session.
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
    weight = []
    if weightCol is not None:
        require_numeric(schema, "weightCol", weightCol)
        weight = [F.col(quoted(weightCol)).cast("float").alias("weight")]
    ratings = dataset.select(
        usable_ids(F.col(quoted(userCol)), require_ids(schema, "userCol", userCol)).alias("user"),
        usable_ids(F.col(quoted(itemCol)), require_ids(schema, "itemCol", itemCol)).alias("item"),
        rating.cast("float").alias("rating"),
        *validation,
        *weight,
    )
    return ratings.where(~F.col("weight").eqNullSafe(F.lit(0.0))) if weight else ratings


def require_classic(dataset: Any) -> None:
    """Raise an error unless the dataset is a DataFrame of a classic Spark session.

    Raises
    ------
    TypeError
        If it is a DataFrame of a Spark Connect session, which has neither broadcasts nor RDDs, or any other object; the
        message explains how to convert it.
    """
    # Compared by name, because importing pyspark's Connect classes requires packages that a classic session does not.
    if type(dataset).__module__.startswith("pyspark.sql.connect."):
        raise TypeError(
            "dataset must be a DataFrame of a classic Spark session, got one of a Spark Connect session. "
            "Use SparkSession.builder.master(...) without remote(...)."
        )
    if not isinstance(dataset, DataFrame):
        found, way = _kind_of_data(dataset)
        raise TypeError(f"dataset must be a Spark DataFrame, got {found}. {way}")


def _kind_of_data(dataset: Any) -> tuple[str, str]:
    """Return the description of an object that is not a DataFrame, and how to convert it to one."""
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
        If no column, or more than one, has that name.
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
        If the column is missing, occurs twice, or is not numeric.
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
        If the column is missing, occurs twice, or holds neither numbers nor strings.
    """
    data_type = require_column(schema, param, name)
    if not isinstance(data_type, (NumericType, StringType)):
        raise ValueError(
            f"{param} must be a column of numbers or strings, got {name!r} of type {data_type.simpleString()}. "
            "Cast it to bigint or string."
        )
    return data_type


def usable_ids(column: Column, data_type: DataType) -> Column:
    """Return a column of ids as string, or as int or bigint with null for values that are not 64-bit integers."""
    # Strings with a collation are compared by its rules, but joined and hashed by their bytes.
    return column.cast("string") if isinstance(data_type, StringType) else whole_ids(column, data_type)


def whole_ids(column: Column, data_type: DataType) -> Column:
    """Return a numeric column as int if that is its type, else as bigint with null for other than 64-bit integers."""
    if isinstance(data_type, IntegerType):
        return column
    if isinstance(data_type, IntegralType):
        return column.cast("bigint")
    # try_cast gives null for NaN and for values that are too large, but truncates fractions.
    whole = column.try_cast("bigint")
    return F.when(column == whole, whole)


def whole_text(column: Column) -> Column:
    """Return a column of text as bigint, with null for values that are not 64-bit integers; 12.0 is 12."""
    # The zeros of the fraction are removed from the text, because a cast to double would keep only 53 bits.
    return F.coalesce(column.try_cast("bigint"), F.regexp_replace(column, r"(?<=[0-9])\.0+\s*$", "").try_cast("bigint"))


def quoted(name: str) -> str:
    """Return the name of a column, quoted so that dots, blanks and backticks in it are literal."""
    return "`" + name.replace("`", "``") + "`"


def _require_boolean(schema: StructType, param: str, name: str) -> None:
    data_type = require_column(schema, param, name)
    if not isinstance(data_type, BooleanType):
        raise ValueError(
            f"{param} must be a boolean column, true for validation, got {name!r} of type {data_type.simpleString()}. "
            "Cast it to boolean."
        )
