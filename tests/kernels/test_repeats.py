"""Finding repeated pairs of user and item."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.kernels import repeats
from spark_mf.kernels.layout import encode
from spark_mf.kernels.reference import repeats as twin


def marks(module, users, items):
    _, user_counts, user_codes = encode(np.array(users, np.int64))
    unique_items, _, item_codes = encode(np.array(items, np.int64))
    return module.mark_repeats(user_codes, user_counts, item_codes, unique_items.size).tolist()


def test_by_hand():
    users = [5, 5, 7, 5, 7, 5, -1]
    items = [1, 2, 1, 1, 3, 1, 2**62]
    assert marks(repeats, users, items) == [True, False, False, True, False, True, False]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(-3, 3)), max_size=60))
def test_the_same_as_the_twin(pairs):
    users, items = [u for u, _ in pairs], [i for _, i in pairs]
    assert marks(repeats, users, items) == marks(twin, users, items)
