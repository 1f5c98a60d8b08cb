"""Options for reading ratings."""

from dataclasses import dataclass

from spark_mf.data.readers.separators import parse_separator
from spark_mf.data.readers.text import LAYOUTS, MATRIX
from spark_mf.data.readers.time_formats import require_time_format
from spark_mf.storage.encodings import find_encoding

FORMATS = ("csv", "tsv", "dat", "json", "parquet")
QUOTES = ("double", "none")
ID_TYPES = ("auto", "integer", "string")


@dataclass(frozen=True)
class ReadOptions:
    """Options for reading ratings; values that are not given are guessed and logged.

    Attributes
    ----------
    format : str, optional
        One of `FORMATS`; by default it is guessed from the name and the first lines.
    user_col, item_col, rating_col, timestamp_col : str, optional
        Names of columns; by default they are guessed from common names. With "" as timestamp_col, no times are read.
    split_col : str, optional
        Name of a column with the marks of training and test rows.
    id_type : {"auto", "integer", "string"}
        Type of the ids. "auto" chooses for users and items separately: by the type of a column or, in text, by its
        first ids, which are strings if any begins with a zero or a plus sign, as in 007, or if fewer than half are
        integers of at most 64 bits; 12.0 is the integer 12.
    separator : str, optional
        Separator of the fields of text: one character, "::", "tab" (or "\\t"), or "blank" for runs of blanks and tabs;
        by default it is detected.
    encoding : str, optional
        Encoding of text: UTF-8 (the default), or one with one byte per character, such as ISO-8859-1 or windows-1252.
    quote : {"double", "none"}
        "double" if fields of text may be in double quotes, "none" if quotes are ordinary characters.
    layout : {"ratings", "netflix", "matrix"}, optional
        "ratings" for one rating per line; "netflix" for lines of users, ratings and dates after a line with their item,
        such as 17:; "matrix" for the ratings of one user per line. The default is "netflix" if the first line has that
        form, else "ratings".
    columns : tuple[str, ...], optional
        Names of the columns of text without a header, in their order, by default user, item, rating and possibly
        timestamp; for a matrix, names of the columns before its ratings, by default none.
    missing : float, optional
        Number that stands for a missing rating in a matrix, in addition to empty fields.
    time_format : str, optional
        One of `spark_mf.data.readers.time_formats.TIME_FORMATS` or a datetime pattern of Spark such as dd.MM.yyyy; by
        default the format is detected from the whole column, which must be unambiguous.
    """

    format: str | None = None
    user_col: str | None = None
    item_col: str | None = None
    rating_col: str | None = None
    timestamp_col: str | None = None
    split_col: str | None = None
    id_type: str = "auto"
    separator: str | None = None
    encoding: str | None = None
    quote: str = "double"
    layout: str | None = None
    columns: tuple[str, ...] | None = None
    missing: float | None = None
    time_format: str | None = None

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in FORMATS:
            raise ValueError(f"format must be one of {', '.join(FORMATS)}, or None to guess it, got {self.format!r}.")
        if self.id_type not in ID_TYPES:
            raise ValueError(f"id_type must be one of {', '.join(ID_TYPES)}, got {self.id_type!r}.")
        if self.quote not in QUOTES:
            raise ValueError(f"quote must be one of {', '.join(QUOTES)}, got {self.quote!r}.")
        if self.layout is not None and self.layout not in LAYOUTS:
            raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, got {self.layout!r}.")
        if self.separator is not None:
            parse_separator(self.separator)
        if self.encoding is not None:
            find_encoding(self.encoding)
        if self.format in ("json", "parquet"):
            for name in ("separator", "layout", "columns"):
                if getattr(self, name):
                    raise ValueError(
                        f"{name} must not be given with format {self.format!r}, got {getattr(self, name)!r}. It is an "
                        "option for separated text."
                    )
        if self.missing is not None and self.layout != MATRIX:
            raise ValueError(f"missing must be given with layout matrix only, got {self.missing:g}.")
        require_time_format(self.time_format)

    def asked(self) -> dict[str, str | None]:
        """Return the requested column of each role, None to guess it; the split is never guessed."""
        roles = ["user", "item", "rating"] if self.timestamp_col == "" else ["user", "item", "rating", "timestamp"]
        asked = {role: getattr(self, f"{role}_col") for role in roles}
        return asked if self.split_col is None else {**asked, "split": self.split_col}
