"""Checking ratings in one pass: every value must be usable, or the whole input is refused with an example."""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, NumericType, StringType

from spark_mf.data.columns import quoted, whole_ids

_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1


@dataclass(frozen=True)
class RatingsCheck:
    """What a passed check learned."""

    rows: int
    user_type: str  # "int", or "bigint" if an id does not fit in 32 bits
    item_type: str


def check_ratings(
    ratings: DataFrame,
    user_col: str = "user",
    item_col: str = "item",
    rating_col: str = "rating",
    *,
    integer_cols: tuple[str, ...] = (),
    malformed_col: str | None = None,
    source: str = "the ratings",
) -> RatingsCheck:
    """Refuse ratings with unusable rows; one Spark job.

    A row is usable if its ids are integers of at most 64 bits and its rating is finite as a float32.  Text
    that spells such a number is as good as the number.

    Parameters
    ----------
    ratings : DataFrame
    integer_cols : further columns whose values, where present, must be integers
    malformed_col : a column that is null except for lines that did not parse, or None
    source : where the ratings come from, for messages

    Raises
    ------
    ValueError
        If a column is missing or of a type that holds no numbers, there is no row, or rows are unusable; the
        message has their number and the first of them.
    """
    needed = (user_col, item_col, rating_col)
    missing = [name for name in needed if name not in ratings.columns]
    if missing:
        raise ValueError(
            f"{source} has no column {', '.join(missing)}; its columns are {', '.join(ratings.columns)}: "
            "name the right ones with user_col, item_col and rating_col."
        )
    for name in needed:
        _require_numbers(ratings, name, source)
    shown = [*needed, *integer_cols]
    fault = _first_fault(ratings, needed, integer_cols, malformed_col)
    found = _summarize(ratings, needed, fault, shown if malformed_col is None else [*shown, malformed_col])
    if found["rows"] == 0:
        raise ValueError(f"{source} has no ratings; give data with at least one row.")
    if found["bad"]:
        values = found["first"]["values"]
        line = values[-1] if malformed_col is not None else None
        example = _spell(dict(zip(shown, values, strict=False))) if line is None else f"the line {line!r}"
        raise ValueError(
            f"{found['bad']:,} of {found['rows']:,} rows of {source} cannot be used, the first is {example} "
            f"({found['first']['fault']}): correct or remove them."
        )
    return RatingsCheck(
        found["rows"],
        _narrowest(found["least_user"], found["largest_user"]),
        _narrowest(found["least_item"], found["largest_item"]),
    )


def as_integer(frame: DataFrame, name: str) -> Column:
    """A column as bigint, null where its value is not an integer of at most 64 bits."""
    kind = frame.schema[name].dataType
    column = F.col(quoted(name))
    return column.try_cast("bigint") if isinstance(kind, StringType) else whole_ids(column, kind)


def as_rating(frame: DataFrame, name: str) -> Column:
    """A column as float, null where its value is not a number."""
    column = F.col(quoted(name))
    if isinstance(frame.schema[name].dataType, StringType):
        # Java, hence Spark, reads "5d" and "0x5p0" as 5; in a file of ratings they are damage.
        return F.when(~column.rlike("[dfxDFX]"), column.try_cast("float"))
    return column.try_cast("float")


def _require_numbers(frame: DataFrame, name: str, source: str) -> None:
    kind: DataType = frame.schema[name].dataType
    if not isinstance(kind, (NumericType, StringType)):
        raise ValueError(
            f"Column {name} of {source} is of type {kind.simpleString()}, but must hold numbers: cast it or "
            "choose another column."
        )


def _first_fault(
    frame: DataFrame, needed: tuple[str, str, str], integer_cols: tuple[str, ...], malformed_col: str | None
) -> Column:
    """Why a row cannot be used, null if it can."""
    malformed = F.lit(False) if malformed_col is None else F.col(quoted(malformed_col)).isNotNull()
    fault = F.when(malformed, "it has too few or too many fields")
    user, item, rating = needed
    for name in (user, item):
        fault = fault.when(F.col(quoted(name)).isNull(), f"{name} is missing")
        fault = fault.when(as_integer(frame, name).isNull(), f"{name} is no integer of at most 64 bits")
    fault = fault.when(F.col(quoted(rating)).isNull(), f"{rating} is missing")
    number = as_rating(frame, rating)
    fault = fault.when(number.isNull(), f"{rating} is no number")
    fault = fault.when(F.isnan(number) | (F.abs(number) == float("inf")), f"{rating} is not finite")
    for name in integer_cols:
        present = F.col(quoted(name)).isNotNull()
        fault = fault.when(present & as_integer(frame, name).isNull(), f"{name} is no integer")
    return fault


def _summarize(frame: DataFrame, needed: tuple[str, str, str], fault: Column, shown: list[str]) -> Row:
    """The job: counts, the first faulty row (its fault and the shown columns as strings), and the ids' ranges."""
    user, item, _ = needed
    checked = frame.select(
        as_integer(frame, user).alias("user"),
        as_integer(frame, item).alias("item"),
        fault.alias("fault"),
        F.array(*(F.col(quoted(name)).cast("string") for name in shown)).alias("values"),
        F.when(fault.isNotNull(), F.monotonically_increasing_id()).alias("position"),
    )
    return checked.agg(
        F.count("*").alias("rows"),
        F.count("fault").alias("bad"),
        F.min_by(F.struct("fault", "values"), "position").alias("first"),
        *(F.min(side).alias(f"least_{side}") for side in ("user", "item")),
        *(F.max(side).alias(f"largest_{side}") for side in ("user", "item")),
    ).collect()[0]


def _spell(values: dict[str, str | None]) -> str:
    return ", ".join(f"{name}={'null' if v is None else repr(v)}" for name, v in values.items())


def _narrowest(least: int, largest: int) -> str:
    return "int" if least >= _INT_MIN and largest <= _INT_MAX else "bigint"
