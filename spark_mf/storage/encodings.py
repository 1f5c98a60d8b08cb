"""Encodings of text files: UTF-8, and encodings with one byte per character, decoded by Spark functions."""

import codecs
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

# Characters of the bytes 128 to 255 in Latin-1.
_UPPER = bytes(range(128, 256)).decode("latin-1")


@dataclass(frozen=True)
class Encoding:
    """Encoding of a text file.

    Attributes
    ----------
    name : str
    upper : str or None
        Characters of the bytes 128 to 255, with U+FFFD for invalid bytes; None for UTF-8.
    """

    name: str
    upper: str | None = None

    def decode(self, data: bytes) -> str:
        """Return bytes as text, with U+FFFD for invalid bytes and without a byte order mark."""
        if self.upper is None:
            return data.decode("utf-8-sig", errors="replace")
        return data.decode("latin-1").translate(str.maketrans(_UPPER, self.upper))

    def decoded(self, text: Column) -> Column:
        """Return a column of strings with the bytes of a file, decoded; UTF-8 stays unchanged."""
        if self.upper is None:
            return text
        # Spark's `decode` supports only Latin-1 among these encodings; the others differ from it in single characters.
        latin = F.decode(text.cast("binary"), "ISO-8859-1")
        others = [(a, b) for a, b in zip(_UPPER, self.upper, strict=True) if a != b]
        return F.translate(latin, "".join(a for a, _ in others), "".join(b for _, b in others)) if others else latin


UTF_8 = Encoding("UTF-8")


def find_encoding(name: str) -> Encoding:
    """Return the encoding with a name such as UTF-8, ISO-8859-1, latin-1 or windows-1252.

    Raises
    ------
    ValueError
        If there is no such encoding, or it uses several bytes per character.
    """
    fault = ValueError(
        f"encoding must be UTF-8 or an encoding with one byte per character, such as ISO-8859-1 or windows-1252, got "
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
    """Return the character of a byte, U+FFFD if it is invalid, or None if the codec needs more bytes."""
    if codec.incrementaldecoder is None:
        return None
    try:
        found = codec.incrementaldecoder().decode(bytes([byte]))
    except UnicodeDecodeError:
        return "\ufffd"
    except Exception:  # Codecs from bytes to bytes raise other errors.
        return None
    return found if isinstance(found, str) and len(found) == 1 else None
