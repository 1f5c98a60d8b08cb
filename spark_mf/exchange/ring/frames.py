"""What travels on a connection of the ring: a fixed header, and after it an array's bytes as they are."""

import enum
import socket
import struct

import numpy as np
from numpy.typing import NDArray

from spark_mf.exchange.ring.connection import read_into, write_all

_HEADER = struct.Struct("<Bqq")  # kind, tag, bytes that follow
_NOTHING = memoryview(b"")


class Kind(enum.IntEnum):
    """The kinds of frames: DATA carries bytes, and HEARTBEAT's tag is for how many milliseconds its sender was idle."""

    DATA = 1
    HEARTBEAT = 2
    GOODBYE = 3


_KINDS = frozenset(Kind)


class FrameError(ValueError):
    """A frame that cannot be meant; the message says what it announced."""


def write_frame(connection: socket.socket, kind: Kind, tag: int = 0, payload: memoryview = _NOTHING) -> None:
    """Send one frame; raises as `write_all` does."""
    write_all(connection, memoryview(_HEADER.pack(kind, tag, len(payload))), payload)


def read_frame(connection: socket.socket, largest: int) -> tuple[Kind, int, NDArray[np.uint8]]:
    """Return kind, tag and bytes (an array of their own) of the next frame.

    Raises FrameError, before memory for it is taken, when the frame's kind is unknown or its length is not one of
    0 to `largest` bytes (0 where the kind carries none); otherwise as `read_into` does.
    """
    header = bytearray(_HEADER.size)
    read_into(connection, memoryview(header))
    number, tag, length = _HEADER.unpack(header)
    if number not in _KINDS:
        raise FrameError(f"a frame of unknown kind {number}")
    kind = Kind(number)
    allowed = largest if kind == Kind.DATA else 0
    if not 0 <= length <= allowed:
        raise FrameError(f"a frame of {length} bytes, and 0 to {allowed} are allowed")
    payload = np.empty(length, np.uint8)
    if length:
        read_into(connection, payload.data)
    return kind, tag, payload
