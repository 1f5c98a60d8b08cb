"""Iteration records with the metrics that a test specifies."""

from spark_mf.models.summary import IterationRecord


def record(
    iteration: int,
    seconds: float,
    objective: float | None = None,
    train_rmse: float | None = None,
    validation_rmse: float | None = None,
    step_size: float | None = None,
    product_change: float | None = None,
    kernel_seconds: float | None = None,
) -> IterationRecord:
    """Return a record; every metric is in it, None or not."""
    metrics = {"objective": objective, "train_rmse": train_rmse, "validation_rmse": validation_rmse}
    metrics |= {"step_size": step_size, "product_change": product_change}
    return IterationRecord(iteration, seconds, metrics, kernel_seconds)
