"""Detection of the columns of users, items, ratings and times by common names."""

import re
from collections.abc import Mapping, Sequence

# In lower case, with letters and digits only: userId, user_id and "User-ID" are all "userid".
KNOWN_NAMES: Mapping[str, frozenset[str]] = {
    "user": frozenset(
        {
            "user",
            "userid",
            "uid",
            "reviewerid",
            "reviewer",
            "customerid",
            "customer",
            "memberid",
            "profileid",
            "accountid",
            "visitorid",
        }
    ),
    "item": frozenset(
        {
            "item",
            "itemid",
            "iid",
            "movieid",
            "movie",
            "filmid",
            "film",
            "bookid",
            "book",
            "productid",
            "product",
            "asin",
            "parentasin",
            "articleid",
            "artistid",
            "songid",
            "trackid",
            "jokeid",
            "animeid",
            "gameid",
            "businessid",
            "isbn",
            "sku",
        }
    ),
    "rating": frozenset(
        {"rating", "ratings", "score", "stars", "star", "overall", "value", "bookrating", "userrating"}
    ),
    "timestamp": frozenset({"timestamp", "ts", "time", "date", "datetime", "unixreviewtime", "ratedat", "createdat"}),
}
OPTIONAL = frozenset({"timestamp"})


def choose_columns(
    present: Sequence[str], asked: Mapping[str, str | None], source: str, known: Mapping[str, str] | None = None
) -> tuple[dict[str, str], list[str]]:
    """Choose the column of each role.

    Parameters
    ----------
    present : Sequence[str]
        Names of all columns.
    asked : Mapping[str, str or None]
        For each of user, item, rating and timestamp the requested column, or None to guess it.
    source : str
        Name of the data, for messages.
    known : Mapping[str, str], optional
        Reason for the name of each column that does not come from a header.

    Returns
    -------
    columns : dict[str, str]
        Name of the column of each role, without timestamp if there is none or several are possible.
    notes : list[str]
        Description of the choice for each role.

    Raises
    ------
    ValueError
        If a requested column is missing, a required one cannot be guessed, or one column would have two roles.
    """
    listed = ", ".join(present)
    columns: dict[str, str] = {}
    notes = []
    for role, name in asked.items():
        if name is not None:
            if name not in present:
                raise ValueError(
                    f"{role}_col must be one of the columns of {source}, which are {listed}, got {name!r}."
                )
            columns[role] = name
            notes.append(f"{role} column: {name} (as requested)")
            continue
        taken = [other for other in asked.values() if other is not None]
        guesses = [c for c in present if is_known(role, c) and c not in taken]
        if len(guesses) == 1:
            columns[role] = guesses[0]
            why = (known or {}).get(guesses[0], f"{guesses[0]} (guessed from its name)")
            notes.append(f"{role} column: {why}")
        elif role in OPTIONAL:
            why = f"{' and '.join(guesses)} are possible, choose with {role}_col" if guesses else "not found"
            notes.append(f"{role} column: none ({why})")
        else:
            found = f"{' and '.join(guesses)}, which could all be it" if guesses else "no column with a known name"
            raise ValueError(
                f"The {role} column of {source} must be one of {listed}, got {found}. Name it with {role}_col."
            )
    for role, name in columns.items():
        same = [other for other in columns if columns[other] == name and other != role]
        if same:
            raise ValueError(
                f"{role}_col and {same[0]}_col of {source} must be different columns, got {name} for both."
            )
    return columns, notes


def is_known(role: str, name: str) -> bool:
    """Return whether a name is common for a role, ignoring the types of RecBole, as in user_id:token."""
    plain = re.sub(r":(token|float)(_seq)?$", "", name.strip().lower())
    return re.sub(r"[^a-z0-9]", "", plain) in KNOWN_NAMES[role]
