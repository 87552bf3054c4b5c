"""Engines that the user declares by what they serve and where: replicas of one LLM."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from ayo_bridge.engines.openai_http.address import origin
from ayo_bridge.errors import ArgumentError
from ayo_bridge.schedule.routing import Routing

VARIABLE: Final = "AYO_ENGINES"
"""Names the TOML file that declares engines."""
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Hints(enum.StrEnum):
    """Fields by which routers are told what is expected of a request."""

    NONE = "none"
    AGENTIC_CONTEXT = "agentic_context"
    """``vllm_xargs.agentic_context``, of vllm-router."""
    AGENT_HINTS = "agent_hints"
    """``nvext.agent_hints``, of Dynamo."""


@dataclass(frozen=True)
class LLM:
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

    model: str
    urls: Sequence[str]
    routing: str = Routing.PREFIX
    session: str = "X-Session-ID"
    hints: str = Hints.NONE

    def __post_init__(self) -> None:
        """Refuse what could not be asked."""
        if not isinstance(self.model, str) or not self.model:
            raise _wrong("model", f"is to be the name of a model, not {self.model!r}")
        if self.routing not in list(Routing):
            known = ", ".join(f'"{each}"' for each in Routing)
            raise _wrong("routing", f"is to be one of {known}, not {self.routing!r}")
        if not isinstance(self.session, str) or not _TOKEN.fullmatch(self.session):
            raise _wrong("session", f"is to be the name of a header, not {self.session!r}")
        if isinstance(self.urls, str) or not isinstance(self.urls, Sequence):
            raise _wrong("urls", f"is to be a list of base URLs, not {self.urls!r}")
        object.__setattr__(self, "urls", _checked(self.urls))
        object.__setattr__(self, "routing", Routing(self.routing))
        if self.hints not in list(Hints):
            known = ", ".join(f'"{each}"' for each in Hints)
            raise _wrong("hints", f"is to be one of {known}, not {self.hints!r}")
        object.__setattr__(self, "hints", Hints(self.hints))
        if self.hints != Hints.NONE and self.routing != Routing.EXTERNAL:
            raise _wrong("hints", 'are for a router: take routing="external"')
        if self.routing == Routing.EXTERNAL and len(self.urls) > 1:
            raise _wrong("urls", 'of routing="external" is to be one, that of the router')


_KEYS: Final = tuple(field.name for field in fields(LLM))


class _Wrong(ArgumentError):
    """``field`` of a declaration is wrong."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field} of an LLM {why}")
        self.field, self.why = field, why


def _wrong(field: str, why: str) -> _Wrong:
    return _Wrong(field, why)


def _checked(urls: Sequence[object]) -> tuple[str, ...]:
    if not urls:
        raise _wrong("urls", "is empty: name the base URL of each replica")
    parts = [_split(url) for url in urls]
    origins = [origin(each.geturl()) for each in parts]
    for at, where in enumerate(origins):
        if where in origins[:at]:
            raise _wrong("urls", f"holds {where} twice")
    first = parts[0]
    for each in parts[1:]:
        if (each.scheme, each.path) != (first.scheme, first.path):
            raise _wrong(
                "urls",
                f"are to be alike but for host and port: {first.geturl()} and {each.geturl()} "
                "are not",
            )
    return tuple(each.geturl() for each in parts)


def _split(url: object) -> SplitResult:
    try:
        parts = urlsplit(url.strip() if isinstance(url, str) else "")
        port = parts.port
    except ValueError:
        port, parts = 0, urlsplit("")
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname or port == 0:
        shown = url.rpartition("@")[2] if isinstance(url, str) else url
        raise _wrong("urls", f"holds {shown!r}, which is no http URL like http://10.0.0.1:8000/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        where = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
        raise _wrong(
            "urls", f"holds {where.geturl()} with credentials, a query or a fragment: leave those"
        )
    return SplitResult(parts.scheme.lower(), _place(parts), parts.path.rstrip("/"), "", "")


def _place(parts: SplitResult) -> str:
    """Host and port as HTTP clients write them."""
    try:
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except UnicodeError:
        raise _wrong("urls", f"holds {parts.hostname!r}, which is no name of a host") from None
    host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme.lower()]
    return host if parts.port in (None, default) else f"{host}:{parts.port}"


def read_engines(path: str | Path) -> tuple[LLM, ...]:
    """The engines that a TOML file declares: a table ``[[llm]]`` for each.

    Raises:
        ArgumentError: it cannot be read, or says something else; the message names file and key.
    """
    import tomllib  # Few have such a file, and all would wait for it.

    try:
        with Path(path).open("rb") as file:
            said = tomllib.load(file)
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path} is no TOML: {error}") from error
    for name in said:
        if name != "llm":
            raise ArgumentError(f"{path}: {name} is no kind of engine: take [[llm]]")
    tables = said.get("llm", [])
    if not isinstance(tables, list):
        raise ArgumentError(f"{path}: llm is to be a list of tables: write [[llm]]")
    return checked_models(
        [_declared(table, f"{path}: llm[{at}]") for at, table in enumerate(tables)], f"{path}: "
    )


def _declared(table: object, where: str) -> LLM:
    if not isinstance(table, dict):
        raise ArgumentError(f"{where} is to be a table: write [[llm]]")
    for name in table:
        if name not in _KEYS:
            raise ArgumentError(f"{where}.{name} is no setting: take {', '.join(_KEYS)}")
    for name in ("model", "urls"):
        if name not in table:
            raise ArgumentError(f"{where}.{name} is missing")
    given: dict[str, Any] = table
    try:
        return LLM(**given)
    except _Wrong as error:
        raise ArgumentError(f"{where}.{error.field} {error.why}") from None


def checked_models(declared: Sequence[LLM], where: str = "") -> tuple[LLM, ...]:
    """The declarations, where each address serves a model once.

    Raises:
        ArgumentError: two of them are of one model at one address.
    """
    seen: set[tuple[str, str]] = set()
    for each in declared:
        for url in each.urls:
            place = each.model, origin(url)
            if place in seen:
                raise ArgumentError(f"{where}{each.model!r} is declared twice at {place[1]}")
            seen.add(place)
    return tuple(declared)


__all__ = ["LLM", "VARIABLE", "checked_models", "read_engines"]
