"""Hyperparameters that suit the data of a study: the published ones on the published set, others on real ratings."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What all studies of one data set train with, in the conventions of `spark_mf.SGD` and `spark_mf.ALS`.

    Steps are those of gradients *summed* over a batch; the step of an averaged gradient is batch_size times as large.
    λ is that of ``regularization``, for SGD and for ALS alike.
    """

    rank: int
    epochs: int
    """Of SGD."""
    iterations: int
    """Of ALS."""
    regularization: str
    reg_param: float
    bias_reg_param: float
    init_std: float
    step_size: float
    """Of single ratings."""
    batch_size: int
    batch_step_size: float
    """Of batches, with momentum and without."""
    adam_step_size: float
    lambdas: tuple[float, ...]
    """That `regularization` and `generalization-gap` give SGD with biases."""
    als_lambdas: tuple[float, ...]
    """That `regularization` and `rank` give ALS."""
    ranks: tuple[int, ...]
    """That `rank` gives ALS; its λ is the least of als_lambdas that all ranks bear, als_reg_param."""
    als_reg_param: float
    patience: int
    step_factors: tuple[float, ...]
    """Times the step of each optimizer."""


# The source's steps are those of averaged gradients, .005 and .02, and its λ is that of the mean objective.
PUBLISHED = Tuning(
    rank=4,
    epochs=150,
    iterations=50,
    regularization="mean",
    reg_param=0.01,
    bias_reg_param=0.001,
    init_std=0.1,
    step_size=0.005,
    batch_size=32,
    batch_step_size=0.02 / 32,
    adam_step_size=0.01,
    lambdas=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0),
    als_lambdas=(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01),
    ranks=(1, 2, 4, 8, 16),
    als_reg_param=0.0002,
    patience=10,
    step_factors=(0.1, 0.3, 1.0, 3.0, 10.0),
)

RATINGS = Tuning(
    rank=16,
    epochs=40,
    iterations=15,
    regularization="weighted",
    reg_param=0.05,
    bias_reg_param=0.02,
    init_std=0.01,
    step_size=0.01,
    batch_size=32,
    batch_step_size=0.01,
    adam_step_size=0.005,
    lambdas=(0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
    als_lambdas=(0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3),
    ranks=(1, 2, 4, 8, 16),
    als_reg_param=0.05,
    patience=10,
    step_factors=(0.1, 0.3, 1.0, 3.0, 10.0),
)
