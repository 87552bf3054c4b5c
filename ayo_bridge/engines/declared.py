"""Engines that the user declares by what they serve and where: replicas of one model."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import ClassVar, Final
from urllib.parse import SplitResult, urlsplit

from ayo_bridge.engines.openai_http.address import origin
from ayo_bridge.errors import ArgumentError
from ayo_bridge.schedule.routing import Routing
from ayo_bridge.seam import EngineKind

_HOST: Final = re.compile(r"[0-9A-Za-z._-]+")
_BLANK: Final = re.compile(r"[\x00-\x20\x7f]")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Hints(enum.StrEnum):
    """Fields by which routers are told what is expected of a request."""

    NONE = "none"
    AGENTIC_CONTEXT = "agentic_context"
    """``vllm_xargs.agentic_context``, of vllm-router."""
    AGENT_HINTS = "agent_hints"
    """``nvext.agent_hints``, of Dynamo."""


@dataclass(frozen=True)
class Servers:
    """Servers of one model, with the same base URL but for host and port.

    Args:
        model: the name by which requests ask for it.
        urls: base URLs.
        routing: see :class:`~ayo_bridge.schedule.routing.Routing`.
        session: the header that names a session to a router.

    Raises:
        ArgumentError: an argument is of a wrong kind or value.
    """

    model: str
    urls: Sequence[str]
    routing: str
    session: str

    kind: ClassVar[EngineKind]
    noun: ClassVar[str]
    routings: ClassVar[tuple[Routing, ...]]

    def __post_init__(self) -> None:
        """Refuse what could not be asked."""
        if not isinstance(self.model, str) or not self.model:
            raise self._wrong("model", f"is to be the name of a model, not {self.model!r}")
        if self.routing not in list(self.routings):
            known = ", ".join(f'"{each}"' for each in self.routings)
            raise self._wrong("routing", f"is to be one of {known}, not {self.routing!r}")
        if not isinstance(self.session, str) or not _TOKEN.fullmatch(self.session):
            raise self._wrong("session", f"is to be the name of a header, not {self.session!r}")
        if isinstance(self.urls, str) or not isinstance(self.urls, Sequence):
            raise self._wrong("urls", f"is to be a list of base URLs, not {self.urls!r}")
        try:
            object.__setattr__(self, "urls", _checked(self.urls))
        except ValueError as error:
            raise self._wrong("urls", str(error)) from None
        object.__setattr__(self, "routing", Routing(self.routing))
        if self.routing == Routing.EXTERNAL and len(self.urls) > 1:
            raise self._wrong("urls", 'of routing="external" is to be one, that of the router')

    @property
    def settings(self) -> str:
        """What was declared of it, for people."""
        return f"urls {', '.join(self.urls)}; routing {self.routing}"

    def _wrong(self, field: str, why: str) -> WrongFieldError:
        return WrongFieldError(self.noun, field, why)


@dataclass(frozen=True)
class LLM(Servers):
    """Replicas of one LLM. Requests of accelerated calls to any of its URLs go to one of them.

    Args:
        model: the name by which requests ask for it.
        urls: base URLs, such as ``http://10.0.0.1:8000/v1``; alike but for host and port. The
            application keeps the one that it has, which is to be among them.
        routing: ``"prefix"`` sends a request where its prompt begins in the prefix cache, unless
            waiting there costs more than that saves; ``"least_delay"`` where all lose the least
            time; ``"least_outstanding"``, ``"round_robin"``; ``"external"`` leaves it to a router
            at the one URL, and names a session for each group of prompts that begin alike.
        session: the header that names it, with ``"external"``.
        hints: what the router is told besides, with ``"external"``: ``"agentic_context"`` for
            vllm-router with ``--enable-program-scheduling``, ``"agent_hints"`` for Dynamo.

    Raises:
        ArgumentError: an argument is of a wrong kind or value.
    """

    routing: str = Routing.PREFIX
    session: str = "X-Session-ID"
    hints: str = Hints.NONE

    kind = EngineKind.LLM
    noun = "an LLM"
    routings = tuple(Routing)

    def __post_init__(self) -> None:
        """Refuse what could not be asked."""
        super().__post_init__()
        if self.hints not in list(Hints):
            known = ", ".join(f'"{each}"' for each in Hints)
            raise self._wrong("hints", f"is to be one of {known}, not {self.hints!r}")
        object.__setattr__(self, "hints", Hints(self.hints))
        if self.hints != Hints.NONE and self.routing != Routing.EXTERNAL:
            raise self._wrong("hints", 'are for a router: take routing="external"')


@dataclass(frozen=True)
class _BatchServers(Servers):
    """Servers of a model that has no prefix cache: each request is all new to it."""

    routing: str = Routing.LEAST_DELAY
    session: str = "X-Session-ID"

    routings = (Routing.LEAST_DELAY, Routing.LEAST_OUTSTANDING, Routing.ROUND_ROBIN)


class EmbeddingServers(_BatchServers):
    """Those of an embedding model."""

    kind = EngineKind.EMBEDDING
    noun = "an Embedding"


class RerankServers(_BatchServers):
    """Those of a reranker."""

    kind = EngineKind.RERANKER
    noun = "a Reranker"


class Declared:
    """An engine that a user declares by its model, its ``source``.

    ``servers``: it is asked there, over HTTP.
    """

    kind: EngineKind
    source: str
    servers: Servers | None = None

    @property
    def settings(self) -> str:
        """What was declared of it, for people."""
        return "" if self.servers is None else self.servers.settings


class WrongFieldError(ArgumentError):
    """``field`` of a declaration is wrong."""

    def __init__(self, noun: str, field: str, why: str) -> None:
        super().__init__(f"{field} of {noun} {why}")
        self.field, self.why = field, why


def _checked(urls: Sequence[object]) -> tuple[str, ...]:
    if not urls:
        raise ValueError("is empty: name the base URL of each replica")
    parts = [_split(url) for url in urls]
    origins = [origin(each.geturl()) for each in parts]
    for at, where in enumerate(origins):
        if where in origins[:at]:
            raise ValueError(f"holds {where} twice")
    found = tuple(each.geturl() for each in parts)
    check_alike(found)
    return found


def check_alike(urls: Sequence[str], whose: str = "") -> None:
    """Refuse base URLs between which a request could not be moved.

    Raises:
        ArgumentError: they differ in more than host and port; the message begins with ``whose``.
    """
    first = urlsplit(urls[0])
    for url in urls[1:]:
        each = urlsplit(url)
        if (each.scheme, each.path) != (first.scheme, first.path):
            raise ArgumentError(
                f"{whose}are to be alike but for host and port: {urls[0]} and {url} are not"
            )


def _split(url: object) -> SplitResult:
    text = url.strip() if isinstance(url, str) else ""
    try:
        parts = urlsplit("" if _BLANK.search(text) else text)  # Some of them it would leave out.
        port = parts.port
    except ValueError:
        port, parts = 0, urlsplit("")
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname or port == 0:
        shown = url.rpartition("@")[2] if isinstance(url, str) else url
        raise ValueError(f"holds {shown!r}, which is no http URL like http://10.0.0.1:8000/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        where = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
        raise ValueError(
            f"holds {where.geturl()} with credentials, a query or a fragment: leave those"
        )
    return SplitResult(parts.scheme.lower(), _place(parts), parts.path.rstrip("/"), "", "")


def _place(parts: SplitResult) -> str:
    """Host and port as HTTP clients write them."""
    try:
        host = (parts.hostname or "").encode("idna").decode("ascii")
        if not _HOST.fullmatch(host):
            ip_address(host)
    except ValueError:
        raise ValueError(f"holds {parts.hostname!r}, which is no name of a host") from None
    host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme.lower()]
    return host if parts.port in (None, default) else f"{host}:{parts.port}"


__all__ = [
    "LLM",
    "Declared",
    "EmbeddingServers",
    "RerankServers",
    "Servers",
    "WrongFieldError",
    "check_alike",
]
