"""Frames on a connection of the ring: a fixed header followed by the raw bytes of an array."""

import enum
import socket
import struct

import numpy as np
from numpy.typing import NDArray

from spark_mf.exchange.ring.connection import read_into, write_all

_HEADER = struct.Struct("<Bqq")  # kind, tag, bytes that follow
_NOTHING = memoryview(b"")


class Kind(enum.IntEnum):
    """Kinds of frames: DATA has a payload, and the tag of HEARTBEAT is the sender's idle time in milliseconds."""

    DATA = 1
    HEARTBEAT = 2
    GOODBYE = 3


_KINDS = frozenset(Kind)


class FrameError(ValueError):
    """An invalid frame; the message describes it."""


def write_frame(connection: socket.socket, kind: Kind, tag: int = 0, payload: memoryview = _NOTHING) -> None:
    """Send one frame; raises the errors of `write_all`."""
    write_all(connection, memoryview(_HEADER.pack(kind, tag, len(payload))), payload)


def read_frame(connection: socket.socket, largest: int) -> tuple[Kind, int, NDArray[np.uint8]]:
    """Return kind, tag and payload (a new array) of the next frame.

    Besides the errors of `read_into`, it raises the following.

    Raises
    ------
    FrameError
        If the kind is unknown, or the length exceeds `largest` bytes (0 for kinds without payload). The check precedes
        the allocation of memory.
    """
    header = bytearray(_HEADER.size)
    read_into(connection, memoryview(header))
    number, tag, length = _HEADER.unpack(header)
    if number not in _KINDS:
        raise FrameError(f"a frame of unknown kind {number}")
    kind = Kind(number)
    allowed = largest if kind == Kind.DATA else 0
    if not 0 <= length <= allowed:
        raise FrameError(f"a frame of {length} bytes, but only 0 to {allowed} are allowed")
    payload = np.empty(length, np.uint8)
    if length:
        read_into(connection, payload.data)
    return kind, tag, payload
