"""Messages between an application and the process that holds its models.

A frame is two lengths, a header in JSON, and the bytes of at most one array. Nothing is unpickled:
what arrives is text and numbers, or is refused.
"""

from __future__ import annotations

import importlib
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

_LENGTHS: Final = struct.Struct("!II")
MOST_BYTES: Final = 1 << 30
"""A longer frame is no frame of ours."""
_KINDS: Final = "fiub"
"""Arrays of numbers: floats, integers with and without sign, truth values."""

Header = dict[str, Any]


class FrameError(ValueError):
    """What arrived is no frame."""


def packed(header: Mapping[str, Any], body: bytes | memoryview = b"") -> bytes:
    """A frame.

    Raises:
        TypeError: the header holds what JSON does not.
        ValueError: it is too long, or holds a text that is no Unicode.
    """
    head = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    if len(head) + len(body) > MOST_BYTES:
        raise ValueError("so long a message is not sent")
    return b"".join((_LENGTHS.pack(len(head), len(body)), head, body))


class Frames:
    """Takes a stream of bytes apart."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Header, bytes]]:
        """The frames that are complete with these bytes.

        Raises:
            FrameError: the stream is no stream of frames.
        """
        rest = self._rest
        rest += data
        while len(rest) >= _LENGTHS.size:
            head, body = _LENGTHS.unpack_from(rest)
            if head + body > MOST_BYTES:
                raise FrameError("a frame is too long")
            middle = _LENGTHS.size + head
            end = middle + body
            if len(rest) < end:
                return
            header = _header(bytes(rest[_LENGTHS.size : middle]))
            array = bytes(rest[middle:end])
            del rest[:end]
            yield header, array


def _header(text: bytes) -> Header:
    try:
        header = json.loads(text)
    except ValueError as error:
        raise FrameError(f"a header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise FrameError("a header is no object")
    return header


def result_frame(number: int, result: Any) -> bytes:
    """The frame that carries the result of a call: an array, a number of NumPy's, or plain data.

    Raises:
        TypeError: it is something else.
        ValueError: it is too long.
    """
    dtype = getattr(result, "dtype", None)
    if dtype is None:
        return packed({"id": number, "value": result})
    if type(result).__module__ != "numpy" or dtype.kind not in _KINDS:
        raise TypeError(f"a {type(result).__name__} of {dtype} is not sent")
    numpy = importlib.import_module("numpy")
    rows = numpy.ascontiguousarray(result)
    scalar = isinstance(result, numpy.generic)
    form = {"dtype": dtype.str, "shape": list(result.shape), "scalar": scalar}
    return packed({"id": number, "array": form}, memoryview(rows).cast("B") if rows.size else b"")


def result_of(header: Header, body: bytes) -> Any:
    """The result that a frame carries, in memory of its own.

    Raises:
        FrameError: it carries none.
    """
    if "value" in header:
        return header["value"]
    try:
        form = header["array"]
        numpy = importlib.import_module("numpy")
        dtype = numpy.dtype(str(form["dtype"]))
        if dtype.kind not in _KINDS:
            raise ValueError(f"an array of {dtype}")
        array = numpy.frombuffer(body, dtype).reshape(form["shape"]).copy()
        return array[()] if form["scalar"] else array
    except (KeyError, TypeError, ValueError) as error:
        raise FrameError(f"no result: {error}") from error
