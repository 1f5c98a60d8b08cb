"""Default hyperparameters of the studies: the published ones for the published set, and others for real ratings."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Hyperparameters of all studies of a data set, in the conventions of `spark_mf.SGD` and `spark_mf.ALS`.

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
    """Of batches."""
    momentum_step_size: float
    """Of batches with momentum, which adds up about ten steps."""
    adam_step_size: float
    biased_step_size: float
    """Of batches, in a model with biases."""
    lambdas: tuple[float, ...]
    """Of models without biases."""
    biased_lambdas: tuple[float, ...]
    """Of models with biases."""
    ranks: tuple[int, ...]
    rank_reg_param: float
    """λ where it stays and ranks vary; small enough to overfit."""
    patience: int
    step_factors: tuple[float, ...]
    """Times the step of each optimizer."""

    @property
    def middle_lambda(self) -> float:
        """The middle one of lambdas, which is meant to be a good one."""
        return sorted(self.lambdas)[len(self.lambdas) // 2]


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
    momentum_step_size=0.02 / 32,
    adam_step_size=0.01,
    biased_step_size=0.01 / 32,
    biased_lambdas=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0),
    lambdas=(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01),
    ranks=(1, 2, 4, 8, 16),
    rank_reg_param=0.0002,
    patience=10,
    step_factors=(0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
)

RATINGS = Tuning(
    rank=16,
    epochs=40,
    iterations=15,
    regularization="weighted",
    reg_param=0.1,
    bias_reg_param=0.02,
    init_std=0.1,
    step_size=0.01,
    batch_size=32,
    batch_step_size=0.01,
    momentum_step_size=0.001,
    adam_step_size=0.01,
    biased_step_size=0.01,
    biased_lambdas=(0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
    lambdas=(0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3),
    ranks=(1, 2, 4, 8, 16),
    rank_reg_param=0.05,
    patience=10,
    step_factors=(0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
)
