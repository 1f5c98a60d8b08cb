"""Generated images that are sums of bars: ratings of pixels by images, with known nonnegative parts."""

import numpy as np

from spark_mf.studies.data import OwnRatings
from spark_mf.textbook import Ratings
from spark_mf.textbook.ratings import Matrix

SEED = 42
SIDE = 6
_LINES = (0, 2, 4)
_IMAGES, _PRESENT, _LOWEST, _HIGHEST, _NOISE = 120, 0.4, 1.0, 3.0, 0.1
_OBSERVED, _HELD_OUT = 0.7, 0.1


def bars() -> Matrix:
    """Return the parts as float64[6, 36]: images of a horizontal or vertical bar of ones, row by row.

    Every bar has pixels of its own, so the parts are the only nonnegative factors of rank 6 of enough images (Donoho
    and Stodden 2003, "When does non-negative matrix factorization give a correct decomposition into parts?").
    """
    images = np.zeros((2 * len(_LINES), SIDE, SIDE))
    for number, line in enumerate(_LINES):
        images[number, line, :] = 1
        images[len(_LINES) + number, :, line] = 1
    return images.reshape(len(images), -1)


def images_of_bars(rng: np.random.Generator) -> Ratings:
    """Return the brightness of most pixels of 120 images, as ratings of 36 items by 120 users.

    Each bar is in an image with a probability of 0.4 and has a brightness between 1 and 3, and the brightness of a
    pixel is the sum over all bars plus noise, but at least 0. 70 % of the pixels are training ratings, and 10 % are
    held out.
    """
    parts = bars()
    brightness = rng.uniform(_LOWEST, _HIGHEST, (_IMAGES, len(parts)))
    activations = np.where(rng.random(brightness.shape) < _PRESENT, brightness, 0)
    images = activations @ parts
    R = np.maximum(0, images + rng.normal(0, _NOISE, images.shape))
    drawn = rng.random(R.shape)
    return Ratings.from_matrix(R, drawn < _OBSERVED, (drawn >= _OBSERVED) & (drawn < _OBSERVED + _HELD_OUT))


IMAGES_OF_BARS = OwnRatings(
    name="images of bars",
    split="a tenth of all pixels, drawn at random",
    make=lambda: images_of_bars(np.random.default_rng(SEED)),
)
