"""Reference implementation of matrix factorization in NumPy, which follows the formulas and is meant for small data.

The estimators, except `NMF`, have the names and Params of those on Spark, so changing the import
``from spark_mf.textbook import ALS`` to ``from spark_mf import ALS`` runs the same program on Spark. All arrays are
float64, and n × m matrices are dense, with at most 5 million cells.
"""

from spark_mf.textbook.als import ALS
from spark_mf.textbook.gd import GD
from spark_mf.textbook.implicit import implicit_gradient, implicit_loss
from spark_mf.textbook.loss import gradient, gradient_check, loss
from spark_mf.textbook.model import Model, Record, Summary, rmse
from spark_mf.textbook.nonnegative import NMF
from spark_mf.textbook.ratings import Pairs, Ratings
from spark_mf.textbook.sgd import SGD
from spark_mf.textbook.stopping import EarlyStopping, product_change

__all__ = [
    "ALS",
    "GD",
    "NMF",
    "SGD",
    "EarlyStopping",
    "Model",
    "Pairs",
    "Ratings",
    "Record",
    "Summary",
    "gradient",
    "gradient_check",
    "implicit_gradient",
    "implicit_loss",
    "loss",
    "product_change",
    "rmse",
]
