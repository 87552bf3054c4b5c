"""Rows in the binary format of Postgres' COPY, and of pgvector's ``vector``.

The format is that of the manual, "COPY, Binary Format", and of pgvector's ``vector_send``.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
END: Final = struct.pack(">h", -1)
_LENGTH: Final = struct.Struct(">i")
_COUNT: Final = struct.Struct(">h")
_NULL: Final = _LENGTH.pack(-1)
CHUNK: Final = 1 << 16
"""Bytes of a piece, about."""
_MIDDLE: Final = 1 << 28
"""Half of the last bit of a ``real``, among the 29 bits by which a double is longer."""
_REST: Final = (1 << 29) - 1
_LEAST: Final = 1e-37
_MOST: Final = 1e38


def text(value: str) -> bytes:
    """A ``text``, ``varchar`` or ``json``.

    Raises:
        UnicodeEncodeError: it holds half of a surrogate pair.
    """
    return value.encode()


def jsonb(value: str) -> bytes:
    """A ``jsonb``, of its text."""
    return b"\x01" + value.encode()


def vector(values: Sequence[float]) -> bytes:
    """A pgvector ``vector``, rounded as Postgres rounds the shortest decimals of these doubles.

    Raises:
        ValueError: one lies exactly between two reals: there decimals may be rounded otherwise; or
            it is outside of the range in which that is known.
    """
    layout = _layout(len(values))
    packed = layout.pack(len(values), 0, *values)
    singles = layout.unpack(packed)[2:]
    if singles != tuple(values):
        _check(array("d", values), array("d", singles))
    return packed


@lru_cache(maxsize=8)
def _layout(dimensions: int) -> struct.Struct:
    return struct.Struct(f">hh{dimensions}f")


def _check(doubles: array[float], singles: array[float]) -> None:
    """Go through numbers of which some are no reals; by numpy if the process has it."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:
        sound = all(map(_is_sound, doubles, array("Q", doubles.tobytes()), singles))
    else:
        values, middle = numpy.frombuffer(doubles), numpy.frombuffer(doubles, "u8") & _REST
        sizes = numpy.abs(values)
        usual = (sizes > _LEAST) & (sizes < _MOST) & (middle != _MIDDLE)
        sound = bool((usual | (values == numpy.frombuffer(singles))).all())
    if not sound:
        raise ValueError("a number lies between two reals")


def _is_sound(double: float, bits: int, single: float) -> bool:
    return double == single or (_LEAST < abs(double) < _MOST and bits & _REST != _MIDDLE)


def rows(columns: Iterable[Sequence[bytes | None]]) -> Iterator[bytes]:
    """The data of a COPY, in pieces of some 64 kB."""
    piece = bytearray(HEADER)
    for row in columns:
        piece += _COUNT.pack(len(row))
        for field in row:
            piece += _NULL if field is None else _LENGTH.pack(len(field)) + field
        if len(piece) >= CHUNK:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece + END)


class Readable:
    """Pieces of data as a file that is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """The next ``size`` bytes at most; none at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = piece
        if size < 0:
            size = len(self._rest)
        read, self._rest = self._rest[:size], self._rest[size:]
        return read
