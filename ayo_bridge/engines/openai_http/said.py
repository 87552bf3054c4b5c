"""What replies say: read here, whatever their framing, and understood by the rows of dialects."""

from __future__ import annotations

import json
import weakref
import zlib
from typing import Any, Final

from ayo_bridge.engines.openai_http.lines import LINES
from ayo_bridge.engines.openai_http.reply import Reply, UnreadableReplyError
from ayo_bridge.engines.openai_http.sse import EventParser
from ayo_bridge.seam import Answer, Fields
from ayo_bridge.seam.dialect import Dialect, Said

DONE: Final = "[DONE]"
_UNKNOWN: Final = (
    *(UnreadableReplyError, zlib.error, AttributeError, KeyError, IndexError, TypeError),
)
_known: Final[weakref.WeakKeyDictionary[Reply, Answer]] = weakref.WeakKeyDictionary()
"""What replies said: one made ahead is asked when it has come, and when the original has it."""


def said_by(reply: Reply) -> Said:
    """The documents of a complete reply: of plain JSON, an event stream, or JSON by lines.

    Raises:
        UnreadableReplyError: it is not complete, or encoded in an unknown way.
        ValueError: it is no JSON.
    """
    form = (reply.header(b"content-type") or b"").lower()
    if form.startswith(b"text/event-stream"):
        events = EventParser().feed(reply.decoded())
        return Said(tuple(map(_event, events)), streamed=True)
    if form.startswith(LINES):
        lines = reply.decoded().splitlines()
        return Said(tuple(json.loads(line) for line in lines if line.strip()), streamed=True)
    return Said((reply.json(),))


def _event(data: str) -> Any:
    return DONE if data.strip() == DONE else json.loads(data)


def answer_by(dialect: Dialect, fields: Fields, result: object) -> Answer:
    """What a reply to this request says; read but once for each reply.

    Raises:
        ValueError: it is no reply of success, is not complete, too large, or of no such form.
    """
    if not isinstance(result, Reply) or not result.ok:
        raise ValueError("no reply of success")
    if dialect.answer is None:
        raise ValueError(f"what {dialect.name} says is not known")
    answer = _known.get(result)
    if answer is None:
        check_size(dialect, result)
        try:
            answer = dialect.answer(result.asked or fields, said_by(result))
        except _UNKNOWN as error:
            raise ValueError(f"a reply of an unknown form: {error!r}") from error
        _known[result] = answer
    return answer


def check_size(dialect: Dialect, reply: Reply) -> None:
    """Let large replies pass unread.

    Raises:
        ValueError: it is one.
    """
    most = dialect.most_bytes
    if most is not None and len(reply.body.so_far()) > most:
        raise ValueError(f"it has more than {most:,} bytes")
