"""How engines are asked over HTTP, as data: one row a dialect.

A boundary knows requests by the rows, and what replies say. The rows that come with us are in
:mod:`ayo_bridge.engines.dialects`; a user gives further ones to the runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from ayo_bridge.errors import ArgumentError
from ayo_bridge.seam.call import EngineKind
from ayo_bridge.seam.following import Answer, Fields

DELIVERY: Final = ("stream", "stream_options", "priority")
"""Fields that say how a reply is delivered, in the bodies of OpenAI-compatible servers."""


@dataclass(frozen=True, slots=True)
class Said:
    """A whole reply: the document of a plain one, or all those of a stream.

    The end of an event stream, ``[DONE]``, is a document too: that text.
    """

    documents: Sequence[Any]
    streamed: bool = False

    @property
    def document(self) -> Any:
        """The first: of a plain reply the only one."""
        return self.documents[0]


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Where a reply says what it has taken: names of JSON fields.

    ``within`` is that of the object; the counts are looked for behind its last occurrence.
    """

    within: str = "usage"
    prompt: str = "prompt_tokens"
    completion: str = "completion_tokens"
    cached: str = "cached_tokens"
    """Of the prompt's, those that the server had in its prefix cache."""


def _always(fields: Fields) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One kind of engine as it is asked over HTTP, by a JSON object that is posted.

    Args:
        name: for people.
        kind: what the engine serves.
        paths: how its addresses end; what stands before that is the base address. The first row of
            which a path fits decides.
        hosts: patterns of ``host:port`` as in :mod:`fnmatch`; empty: any.
        agent: how the ``User-Agent`` of its clients begins; empty: whoever asks.
        fields: what a request has to have.
        model: the field that names the model; empty: a server has one.
        model_needed: whether a request that names no model is none to such an engine.
        inputs: the field whose items are counted; empty: a request is one.
        delivery: fields that say how the reply is delivered: they are not what is asked.
        streams_unless_told: whether a request without ``stream`` gets its reply as a stream.
        pure: whether asking leaves nothing behind, so that a request may be made early.
        deterministic: whether equal requests have interchangeable replies, however often.
        anybodys: whether a call may ask by whatever client others have asked by, and also where it
            then decides not to ask: a service that knows no tenants, and may see every question.
        answer: what a reply to a request says. ``None``: nobody follows such requests. Raises
            ValueError, KeyError, IndexError or TypeError where it says nothing.
        piece: the text that a document of a stream adds to the answer; ``None``: its growth is
            not followed.
        tokens: where replies count tokens; ``None``: they are not asked.
        any_client: whether requests of plain HTTP clients are followed, or those of the OpenAI SDK
            alone.
        most_bytes: a larger reply is not looked into; ``None``: any is.

    Raises:
        ArgumentError: no path is given, or one that does not begin with a slash.
    """

    name: str
    kind: EngineKind
    paths: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    agent: str = ""
    fields: tuple[str, ...] = ()
    model: str = "model"
    model_needed: bool = False
    inputs: str = ""
    delivery: tuple[str, ...] = DELIVERY
    streams_unless_told: bool = False
    pure: Callable[[Fields], bool] = _always
    deterministic: bool = False
    anybodys: bool = False
    answer: Callable[[Fields, Said], Answer] | None = field(default=None)
    piece: Callable[[Any], str] | None = field(default=None)
    tokens: TokenCounts | None = None
    any_client: bool = True
    most_bytes: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no address could fit."""
        paths: object = self.paths
        if not isinstance(paths, tuple) or not paths:
            raise ArgumentError(f"paths of {self.name!r} is to be a tuple of ends of addresses")
        for path in self.paths:
            if not path.startswith("/"):
                raise ArgumentError(f"{path!r} of {self.name!r} does not begin with a slash")

    def path_of(self, address: str, server: str) -> str | None:
        """The path of an address that is one of this dialect; ``server`` is its ``host:port``."""
        if self.hosts and not any(fnmatchcase(server, pattern) for pattern in self.hosts):
            return None
        return next((path for path in self.paths if address.endswith(path)), None)

    def items(self, body: Fields) -> int:
        """How many inputs a request has: one text is a string, or a list of its tokens."""
        inputs = body.get(self.inputs) if self.inputs else None
        if isinstance(inputs, list) and inputs and not isinstance(inputs[0], int):
            return len(inputs)
        return 1
