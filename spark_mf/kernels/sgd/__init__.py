"""Kernels of stochastic gradient descent, on the cells of a grid of rating blocks."""

from spark_mf.kernels.sgd.cells import TILE_ROWS, Cell, make_cells
from spark_mf.kernels.sgd.descent import penalties, squared_error, train
from spark_mf.kernels.sgd.update import OPTIMIZERS, SLOT_LANES, Update, sgd_row_layout

__all__ = [
    "OPTIMIZERS",
    "SLOT_LANES",
    "TILE_ROWS",
    "Cell",
    "Update",
    "make_cells",
    "penalties",
    "sgd_row_layout",
    "squared_error",
    "train",
]
