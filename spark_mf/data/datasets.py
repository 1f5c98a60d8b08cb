"""Catalogue of public rating data sets: address, size, licence and citation."""

from dataclasses import dataclass

_MOVIELENS = "https://files.grouplens.org/datasets/movielens"
_MOVIELENS_LICENSE = (
    "GroupLens' own terms: research use with acknowledgement, no endorsement claimed, no commercial use without their "
    "permission; the README of the set has them in full, also on passing it on"
)
_MOVIELENS_CITATION = (
    "F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. ACM Transactions on "
    "Interactive Intelligent Systems 5, 4: 19:1-19:19. https://doi.org/10.1145/2827872"
)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A published data set.

    Attributes
    ----------
    name : str
    folder, archive : str
        The publisher's folder (a URL without a slash at its end) and the zip archive in it.
    member : str
        The file of ratings in the archive.
    users, items, ratings : int
        Users and items with at least one rating, and ratings.
    megabytes : int or None
        Approximate size of the archive, if its publisher states it.
    license, citation : str
    replaced : bool
        Whether the publisher replaces the archive from time to time by one with newer ratings.
    ratings_sha256 : str or None
        Checksum of the file of ratings, if it was computed from a trusted copy.
    """

    name: str
    folder: str = _MOVIELENS
    archive: str
    member: str
    users: int
    items: int
    ratings: int
    megabytes: int | None
    license: str = _MOVIELENS_LICENSE
    citation: str = _MOVIELENS_CITATION
    replaced: bool = False
    ratings_sha256: str | None = None

    @property
    def url(self) -> str:
        """URL of the archive."""
        return f"{self.folder}/{self.archive}"


def _movielens(name: str, member: str, users: int, items: int, ratings: int, megabytes: int) -> Dataset:
    return Dataset(
        name=name,
        archive=f"{name}.zip",
        member=member,
        users=users,
        items=items,
        ratings=ratings,
        megabytes=megabytes,
    )


_ALL = (
    Dataset(
        name="ml-latest-small",
        archive="ml-latest-small.zip",
        member="ml-latest-small/ratings.csv",
        users=610,
        items=9_724,
        ratings=100_836,
        megabytes=1,
        replaced=True,
        ratings_sha256="aa289ca83157595d0df6aea1be6a4ded676ddc4385472e8313a8ed9805352646",
    ),
    _movielens("ml-100k", "ml-100k/u.data", 943, 1_682, 100_000, 5),
    _movielens("ml-1m", "ml-1m/ratings.dat", 6_040, 3_706, 1_000_209, 6),
    _movielens("ml-10m", "ml-10M100K/ratings.dat", 69_878, 10_677, 10_000_054, 63),
    _movielens("ml-20m", "ml-20m/ratings.csv", 138_493, 26_744, 20_000_263, 190),
    _movielens("ml-25m", "ml-25m/ratings.csv", 162_541, 59_047, 25_000_095, 250),
    _movielens("ml-32m", "ml-32m/ratings.csv", 200_948, 84_432, 32_000_204, 239),
    Dataset(
        name="goodbooks-10k",
        folder="https://github.com/zygmuntz/goodbooks-10k/releases/download/v1.0",
        archive="goodbooks-10k.zip",
        member="ratings.csv",
        users=53_424,
        items=10_000,
        ratings=5_976_479,
        megabytes=None,
        license="Creative Commons Attribution-ShareAlike 4.0 (CC BY-SA 4.0)",
        citation=(
            "Zygmunt Zając. 2017. Goodbooks-10k: a new dataset for book recommendations. FastML. "
            "http://fastml.com/goodbooks-10k"
        ),
    ),
)

DATASETS = {each.name: each for each in _ALL}
