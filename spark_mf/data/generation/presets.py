"""Specifications that imitate well-known rating data sets."""

from spark_mf.data.generation.spec import RatingsSpec

# Users, items, ratings, scale and minimums are those of the published sets. The noise is chosen so that the standard
# deviation of the ratings is about 1.03, close to the real one (1.06 to 1.13).
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
    """Return a short description such as "100 × 60, 1,200 ratings, 1–5, rank 4, noise 0.25, uniform"."""
    low, high = spec.scale
    scale = f"{low:g}–{high:g}" + ("" if spec.step is None else f" by {spec.step:g}")
    words = [f"{spec.users:,} × {spec.items:,}", f"{spec.ratings:,} ratings", scale]
    words += [f"rank {spec.rank}", f"noise {spec.noise:g}"]
    for least, whose in ((spec.min_user_ratings, "a user"), (spec.min_item_ratings, "an item")):
        if least:
            words.append(f"at least {least} {whose}")
    if spec.skew != "long-tailed":
        words.append(spec.skew)
    return ", ".join(words)
