"""Rows in the binary format of Postgres' COPY, and of pgvector's ``vector``.

The format is that of the manual, "COPY, Binary Format", and of pgvector's ``vector_send``.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
END: Final = struct.pack(">h", -1)
_LENGTH: Final = struct.Struct(">i")
_COUNT: Final = struct.Struct(">h")
_VECTOR: Final = struct.Struct(">hh")
_NULL: Final = _LENGTH.pack(-1)
_CHUNK: Final = 1 << 16
_MIDDLE: Final = 1 << 28
"""Half of the last bit of a ``real``, among the 29 bits by which a double is longer."""
_REST: Final = (1 << 29) - 1


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
    doubles = array("d", values)
    singles = array("f", doubles)
    if doubles.tolist() != singles.tolist():
        _check(doubles, singles)
    singles.byteswap()
    return _VECTOR.pack(len(singles), 0) + singles.tobytes()


def _check(doubles: array[float], singles: array[float]) -> None:
    bits = array("Q", doubles.tobytes())
    for double, single, each in zip(doubles, singles, bits, strict=True):
        if double == single:
            continue
        if each & _REST == _MIDDLE or not 1e-37 < abs(double) < 1e38:
            raise ValueError("a number lies between two reals")


def rows(columns: Iterable[Sequence[bytes | None]]) -> Iterator[bytes]:
    """The data of a COPY, in pieces of some 64 kB."""
    piece = bytearray(HEADER)
    for row in columns:
        piece += _COUNT.pack(len(row))
        for field in row:
            piece += _NULL if field is None else _LENGTH.pack(len(field)) + field
        if len(piece) >= _CHUNK:
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
