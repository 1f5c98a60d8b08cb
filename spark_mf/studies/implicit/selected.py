"""Generated ratings of items that users select, so that which items are rated says what users like."""

import numpy as np

from spark_mf.studies.data import OwnRatings
from spark_mf.textbook import Ratings

SEED = 42
_USERS, _ITEMS, _RANK = 300, 150, 4
_LOWEST, _HIGHEST, _STEP = 0.5, 5.0, 0.5
_MEAN, _USER_BIAS, _QUALITY, _TASTE, _NOISE = 3.4, 0.3, 0.45, 0.45, 0.6
# Mean number of ratings of a user, and the smallest and the largest one.
_RATINGS_PER_USER, _FEWEST, _MOST = 30, 8, 75
# Influence of an item's popularity and of a user's taste on what is rated, and correlation of popularity and quality.
_BY_POPULARITY, _BY_TASTE, _CORRELATION = 1.2, 1.0, 0.6
_HELD_OUT = 0.2


def selected_ratings(rng: np.random.Generator) -> Ratings:
    """Return ratings that are missing not at random (Marlin and Zemel 2009, "Collaborative prediction and ranking with
    non-random missing data").

    The rating of a pair is mean + user bias + quality of the item + taste of the user for the item + noise, rounded to
    halves and clipped to [0.5, 5]. A user rates items without replacement, with weights that grow exponentially with
    the popularity of the item, which is correlated with its quality, and with the taste of the user. The best items
    therefore are not those with the best ratings: an item of high quality that is not rated is unpopular or not to
    the user's taste. A fifth of the ratings is held out.
    """
    U, V = rng.standard_normal((_USERS, _RANK)), rng.standard_normal((_ITEMS, _RANK))
    taste, quality = U @ V.T / np.sqrt(_RANK), rng.standard_normal(_ITEMS)
    user_bias = rng.standard_normal(_USERS)[:, None]
    R = _MEAN + _USER_BIAS * user_bias + _QUALITY * quality + _TASTE * taste + rng.normal(0, _NOISE, taste.shape)
    R = np.clip(np.rint(R / _STEP) * _STEP, _LOWEST, _HIGHEST)
    popularity = _CORRELATION * quality + np.sqrt(1 - _CORRELATION**2) * rng.standard_normal(_ITEMS)
    weights = _BY_POPULARITY * popularity + _BY_TASTE * taste
    # The items with the largest sums of a logarithmic weight and a Gumbel variable are such a sample.
    drawn = np.argsort(-(weights + rng.gumbel(size=weights.shape)), axis=1)
    counts = np.clip(rng.poisson(_RATINGS_PER_USER, _USERS), _FEWEST, _MOST)
    rated = np.zeros(R.shape, bool)
    np.put_along_axis(rated, drawn, np.arange(_ITEMS) < counts[:, None], axis=1)
    held_out = rated & (rng.random(R.shape) < _HELD_OUT)
    return Ratings.from_matrix(R, rated & ~held_out, held_out)


SELECTED_RATINGS = OwnRatings(
    name="generated selections",
    split="a fifth, drawn at random",
    make=lambda: selected_ratings(np.random.default_rng(SEED)),
)
