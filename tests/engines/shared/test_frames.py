"""What is sent between processes, and what is refused."""

import struct
from typing import Any

import numpy as np
import pytest

from ayo_bridge.engines.shared.frames import FrameError, Frames, packed, result_frame, result_of


def test_a_stream_in_any_pieces_gives_its_frames() -> None:
    sent: list[tuple[dict[str, Any], bytes]] = [
        ({"id": 1, "text": "naïve 🚢"}, b""),
        ({}, b"\x00\x01"),
        ({"id": 2}, b"x" * 1000),
    ]
    stream = b"".join(packed(header, body) for header, body in sent)
    for size in (1, 7, len(stream)):
        frames = Frames()
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        assert [frame for piece in pieces for frame in frames.feed(piece)] == sent


@pytest.mark.parametrize(
    "stream",
    [
        b"GET / HTTP/1.1\r\n",
        struct.pack("!II", 2, 0) + b"[]",
        struct.pack("!II", 2, 0) + b"\xff\xfe",
        struct.pack("!II", 1 << 30, 1),
    ],
)
def test_what_is_no_frame_is_refused(stream: bytes) -> None:
    with pytest.raises(FrameError):
        list(Frames().feed(stream))


@pytest.mark.parametrize(
    "result",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3).T,
        np.float32(0.1),
        np.array([], dtype=np.float64),
        np.array([True, False]),
    ],
)
def test_an_array_arrives_bit_for_bit(
    result: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]",
) -> None:
    ((header, body),) = Frames().feed(result_frame(3, result))
    found = result_of(header, body)
    assert type(found) is type(result)
    assert found.dtype == result.dtype
    assert found.shape == result.shape
    assert found.tobytes() == result.tobytes()


def test_objects_are_not_sent_and_not_made() -> None:
    with pytest.raises(TypeError):
        result_frame(1, np.array([object()]))
    with pytest.raises(TypeError):
        result_frame(1, object())
    form = {"dtype": "|O", "shape": [1], "scalar": False}
    with pytest.raises(FrameError):
        result_of({"id": 1, "array": form}, b"\x00" * 8)
