"""Encodings of text files: UTF-8, and those of one byte a character, which Spark decodes with its own functions."""

import codecs
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

# What Latin-1 has for the bytes 128 to 255.
_UPPER = bytes(range(128, 256)).decode("latin-1")


@dataclass(frozen=True)
class Encoding:
    """How bytes are to be read as text.

    Attributes
    ----------
    name : str
    upper : the characters of the bytes 128 to 255, U+FFFD for those that are none; None for UTF-8
    """

    name: str
    upper: str | None = None

    def decode(self, data: bytes) -> str:
        """Return bytes as text, with U+FFFD for bytes that are no characters and without a byte order mark."""
        if self.upper is None:
            return data.decode("utf-8-sig", errors="replace")
        return data.decode("latin-1").translate(str.maketrans(_UPPER, self.upper))

    def decoded(self, text: Column) -> Column:
        """Return a column of strings that hold the bytes of a file as text; UTF-8 stays as it is."""
        if self.upper is None:
            return text
        # Of these encodings, Spark's `decode` knows Latin-1 only; the others differ from it in single characters.
        latin = F.decode(text.cast("binary"), "ISO-8859-1")
        others = [(a, b) for a, b in zip(_UPPER, self.upper, strict=True) if a != b]
        return F.translate(latin, "".join(a for a, _ in others), "".join(b for _, b in others)) if others else latin


UTF_8 = Encoding("UTF-8")


def find_encoding(name: str) -> Encoding:
    """Return the encoding of a name, such as UTF-8, ISO-8859-1, latin-1 or windows-1252.

    Raises
    ------
    ValueError
        If there is none of that name, or it takes several bytes for a character.
    """
    fault = ValueError(
        f"encoding must be UTF-8 or an encoding of one byte a character, such as ISO-8859-1 or windows-1252, got "
        f"{name!r}. Convert the file to UTF-8, for instance with iconv."
    )
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        raise fault from None
    if codec.name in ("utf-8", "utf-8-sig"):
        return UTF_8
    characters = [_character(codec, byte) for byte in range(256)]
    if characters[:128] != [chr(byte) for byte in range(128)] or None in characters:
        raise fault
    return Encoding(name, "".join(each or "" for each in characters[128:]))


def _character(codec: codecs.CodecInfo, byte: int) -> str | None:
    """The character of a byte, U+FFFD if it is none, or None if the codec waits for more bytes."""
    if codec.incrementaldecoder is None:
        return None
    try:
        found = codec.incrementaldecoder().decode(bytes([byte]))
    except UnicodeDecodeError:
        return "\ufffd"
    except Exception:  # Codecs from bytes to bytes raise errors of their own.
        return None
    return found if isinstance(found, str) and len(found) == 1 else None
