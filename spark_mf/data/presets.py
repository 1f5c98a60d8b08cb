"""Shapes of well-known rating sets, to generate ratings like theirs."""

from spark_mf.data.generating_spec import RatingsSpec

# Users, items, ratings, scale and minimums are those of the published sets; noise is what makes the ratings of the
# real sets' deviation, about 1.1.
PRESETS = {
    "ml-100k": RatingsSpec(
        943, 1_682, 100_000, noise=0.85, scale=(1, 5), step=1, min_user_ratings=20, min_item_ratings=1
    ),
    "ml-1m": RatingsSpec(
        6_040, 3_706, 1_000_209, noise=0.85, scale=(1, 5), step=1, min_user_ratings=20, min_item_ratings=1
    ),
    "ml-25m": RatingsSpec(
        162_541, 59_047, 25_000_095, noise=0.75, scale=(0.5, 5), step=0.5, min_user_ratings=20, min_item_ratings=1
    ),
    "netflix": RatingsSpec(
        480_189, 17_770, 100_480_507, noise=0.85, scale=(1, 5), step=1, min_user_ratings=1, min_item_ratings=3
    ),
    "textbook": RatingsSpec(100, 60, 1_200, rank=4, noise=0.25, scale=(1, 5), step=None, skew="uniform"),
}


def shape_in_words(spec: RatingsSpec) -> str:
    """What sets one shape apart from another, such as "100 × 60, 1,200 ratings, 1–5, rank 4, noise 0.25, uniform"."""
    low, high = spec.scale
    scale = f"{low:g}–{high:g}" + ("" if spec.step is None else f" by {spec.step:g}")
    words = (
        f"{spec.users:,} × {spec.items:,}, {spec.ratings:,} ratings, {scale}, rank {spec.rank}, noise {spec.noise:g}"
    )
    return words + ("" if spec.skew == "long-tailed" else f", {spec.skew}")
