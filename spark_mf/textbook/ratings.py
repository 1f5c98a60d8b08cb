"""Ratings in memory, as pairs and as a dense matrix with a mask."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.floating]
Matrix = NDArray[np.floating]
Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Limits of the textbook, because its matrices are dense and its loops are Python loops.
MAX_CELLS, MAX_RATINGS = 5_000_000, 1_000_000
_WAY_OUT = "Use spark_mf.ALS, spark_mf.SGD or spark_mf.GD, which run on Spark"


@dataclass(frozen=True, eq=False)
class Pairs:
    """Ratings with the positions of their users and items.

    Attributes
    ----------
    users, items : int64[N]
    values : float64[N]
    """

    users: Positions
    items: Positions
    values: Vector

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Ratings(Pairs):
    """Training ratings Ω and validation ratings of n users and m items.

    Attributes
    ----------
    users, items : int64[N]
        Positions of the user, from 0 to n − 1, and the item, from 0 to m − 1, of each training rating, in row-major
        order.
    values : float64[N]
    shape : tuple[int, int]
        (n, m).
    validation : Pairs or None
        Validation ratings of the same users and items.
    user_ids, item_ids : arrays of n and m, or None
        Id of each position, ascending.

    Raises
    ------
    ValueError
        If there are more than 5 million cells n·m, more than 1 million ratings, or no training ratings.
    """

    shape: tuple[int, int]
    validation: Pairs | None = None
    user_ids: NDArray[Any] | None = None
    item_ids: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        n, m = self.shape
        total = len(self) + (0 if self.validation is None else len(self.validation))
        if total > MAX_RATINGS:
            raise ValueError(f"ratings must have at most {MAX_RATINGS:,} rows, got more. {_WAY_OUT}.")
        if n * m > MAX_CELLS:
            raise ValueError(
                f"users × items must be at most {MAX_CELLS:,}, got {n:,} users and {m:,} items. {_WAY_OUT}."
            )
        if len(self) == 0:
            raise ValueError(
                "ratings must contain at least one training rating, got none. Pass rows that are not held out."
            )

    @cached_property
    def matrix(self) -> Matrix:
        """R as float64[n, m], with 0 for pairs that are not observed.

        Raises
        ------
        ValueError
            If a pair has several ratings.
        """
        R = np.zeros(self.shape)
        R[self.users, self.items] = self.values
        n_repeated = len(self) - int(self.observed.sum())
        if n_repeated:
            raise ValueError(
                f"ratings must contain each (user, item) pair at most once, got {n_repeated} duplicates. "
                "Average the duplicates first, or use SGD, which accepts them."
            )
        return R

    @cached_property
    def observed(self) -> Mask:
        """Whether each pair is in Ω, as bool[n, m]."""
        observed = np.zeros(self.shape, bool)
        observed[self.users, self.items] = True
        return observed

    @cached_property
    def user_counts(self) -> Positions:
        """Number of training ratings of each user, n_u, as int64[n]."""
        return np.bincount(self.users, minlength=self.shape[0])

    @cached_property
    def item_counts(self) -> Positions:
        """Number of training ratings of each item, n_i, as int64[m]."""
        return np.bincount(self.items, minlength=self.shape[1])

    @classmethod
    def from_matrix(cls, R: Matrix, observed: Mask, held_out: Mask | None = None) -> Self:
        """Return the ratings of a dense matrix.

        Parameters
        ----------
        R : float64[n, m]
        observed : bool[n, m]
            Mask of the training ratings.
        held_out : bool[n, m], optional
            Mask of the validation ratings.
        """
        users, items = np.nonzero(observed)
        validation = None
        if held_out is not None:
            held_users, held_items = np.nonzero(held_out)
            validation = Pairs(held_users, held_items, R[held_out])
        return cls(
            users, items, R[observed], (len(R), R.shape[1]), validation, np.arange(R.shape[0]), np.arange(R.shape[1])
        )

    @classmethod
    def from_columns(
        cls,
        table: Any,
        userCol: str = "user",
        itemCol: str = "item",
        ratingCol: str = "rating",
        validationIndicatorCol: str | None = None,
    ) -> Self:
        """Return the ratings of a table with sorted ids; the ratings of a pair keep their order.

        Parameters
        ----------
        table : mapping of columns, pandas DataFrame, or an object with `toPandas()` such as a Spark DataFrame
            Ids must be integers or strings, ratings finite numbers, and the indicator boolean.
        validationIndicatorCol : str, optional
            Column that is true for validation rows. Those of users or items without training ratings are left out.

        Raises
        ------
        TypeError
            If `table` has no columns, or an id is neither an integer nor a string.
        ValueError
            If a column is missing, has another length or other values, or there are too many ratings.
        """
        names = [userCol, itemCol, ratingCol] + ([validationIndicatorCol] if validationIndicatorCol else [])
        columns = _columns(table, names)
        users, items = _ids(userCol, columns[userCol]), _ids(itemCol, columns[itemCol])
        values = _values(ratingCol, columns[ratingCol])
        held_out = np.zeros(len(values), bool)
        if validationIndicatorCol:
            held_out = columns[validationIndicatorCol]
            if held_out.dtype != bool:
                raise ValueError(
                    f"column {validationIndicatorCol!r} must be boolean, got {held_out.dtype}. Cast it to boolean."
                )
        user_ids, user_rows = np.unique(users[~held_out], return_inverse=True)
        item_ids, item_rows = np.unique(items[~held_out], return_inverse=True)
        order = np.lexsort((item_rows, user_rows))
        known = held_out & np.isin(users, user_ids) & np.isin(items, item_ids)
        validation = Pairs(
            np.searchsorted(user_ids, users[known]), np.searchsorted(item_ids, items[known]), values[known]
        )
        return cls(
            user_rows[order],
            item_rows[order],
            values[~held_out][order],
            (len(user_ids), len(item_ids)),
            validation if len(validation) else None,
            user_ids,
            item_ids,
        )

    def to_columns(self) -> dict[str, NDArray[Any]]:
        """Return training and validation rows as columns user, item, rating and held_out (bool), by position."""
        held = Pairs(self.users[:0], self.items[:0], self.values[:0]) if self.validation is None else self.validation
        return {
            "user": np.concatenate([self.users, held.users]),
            "item": np.concatenate([self.items, held.items]),
            "rating": np.concatenate([self.values, held.values]),
            "held_out": np.repeat([False, True], [len(self), len(held)]),
        }


def _columns(table: Any, names: list[str]) -> dict[str, NDArray[Any]]:
    if hasattr(table, "toPandas"):
        # One row more than the limit is enough to detect a table that is too large.
        table = (table.limit(MAX_RATINGS + 1) if hasattr(table, "limit") else table).toPandas()
    if not (isinstance(table, Mapping) or hasattr(table, "columns")):
        raise TypeError(
            f"ratings must be Ratings, a mapping of columns, a pandas or a Spark DataFrame, got {type(table).__name__}."
        )
    missing = [name for name in names if name not in table]
    if missing:
        raise ValueError(f"ratings must have a column {missing[0]!r}, got {', '.join(map(repr, table.keys()))}.")
    columns = {name: np.asarray(table[name]) for name in names}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"columns must have the same length, got {found}. Pass one value per rating in each.")
    if lengths[names[0]] > MAX_RATINGS:
        raise ValueError(f"ratings must have at most {MAX_RATINGS:,} rows, got more. {_WAY_OUT}.")
    return columns


def _ids(name: str, column: NDArray[Any]) -> NDArray[Any]:
    if column.dtype.kind not in "iuU" and not all(isinstance(value, str) for value in column):
        raise TypeError(f"column {name!r} must contain integers or strings without nulls, got {column.dtype}.")
    return column


def _values(name: str, column: NDArray[Any]) -> Vector:
    try:
        values = column.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"column {name!r} must be numeric, got {column.dtype}. Cast it to double.") from error
    if not np.isfinite(values).all():
        bad = values[~np.isfinite(values)][0]
        raise ValueError(f"column {name!r} must be finite, got {bad}. Remove such rows.")
    return values
