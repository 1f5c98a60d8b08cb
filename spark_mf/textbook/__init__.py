"""Matrix factorization on one machine, in NumPy that reads like the formulas: right, small and slow.

The estimators have the settings of those on Spark, so ``from spark_mf.textbook import ALS`` and ``from spark_mf import
ALS`` are followed by the same lines. Everything is float64, and n × m matrices are dense: at most 5 million cells.
"""

from spark_mf.textbook.als import ALS
from spark_mf.textbook.gd import GD
from spark_mf.textbook.loss import gradient, gradient_check, loss
from spark_mf.textbook.model import Model, Record, Summary, rmse
from spark_mf.textbook.ratings import Pairs, Ratings
from spark_mf.textbook.sgd import SGD
from spark_mf.textbook.stopping import EarlyStopping, product_change

__all__ = [
    "ALS",
    "GD",
    "SGD",
    "EarlyStopping",
    "Model",
    "Pairs",
    "Ratings",
    "Record",
    "Summary",
    "gradient",
    "gradient_check",
    "loss",
    "product_change",
    "rmse",
]
