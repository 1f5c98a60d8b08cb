"""Error metrics of predicted ratings."""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


@dataclass(frozen=True)
class RatingErrors:
    """Errors over the rows that have a prediction, and the count of those that have none.

    Attributes
    ----------
    rmse, mae : float or None
        Root mean squared and mean absolute error, in units of the ratings; None if no row has a prediction.
    rows : int
        Rows with a prediction, over which the errors are averaged.
    cold_rows : int
        Rows without a prediction (NaN or null), because their user or item has no factors.
    """

    rmse: float | None
    mae: float | None
    rows: int
    cold_rows: int


def rating_errors(
    predictions: DataFrame, *, rating_col: str = "rating", prediction_col: str = "prediction"
) -> RatingErrors:
    """Compute errors of predictions in float64, in one pass over the data.

    The model must have ``coldStartStrategy="nan"`` (the default): ``"drop"`` removes cold rows before they
    can be counted here.

    Parameters
    ----------
    predictions : DataFrame
        The output of ``model.transform(ratings)``, with a numeric column of ratings and one of predictions.
    rating_col, prediction_col : str
        Names of these columns.

    Returns
    -------
    RatingErrors

    Raises
    ------
    ValueError
        If one of the two columns is missing.
    """
    missing = [name for name in (rating_col, prediction_col) if name not in predictions.columns]
    if missing:
        raise ValueError(
            f"predictions must have the columns {rating_col!r} and {prediction_col!r}, got the columns "
            f"{', '.join(predictions.columns)}. Pass the output of model.transform, and its column names."
        )
    error = F.col(prediction_col).cast("double") - F.col(rating_col).cast("double")
    # The means skip null but not NaN, and the count of cold rows below counts null.
    error = F.when(F.isnan(error), None).otherwise(error)
    row = (
        predictions.select(error.alias("error"))
        .select(
            F.sqrt(F.avg(F.col("error") * F.col("error"))).alias("rmse"),
            F.avg(F.abs("error")).alias("mae"),
            F.count("error").alias("rows"),
            F.count_if(F.isnull("error")).alias("cold_rows"),
        )
        .head()
    )
    assert row is not None  # an aggregate without keys always returns one row
    return RatingErrors(rmse=row["rmse"], mae=row["mae"], rows=row["rows"], cold_rows=row["cold_rows"])
