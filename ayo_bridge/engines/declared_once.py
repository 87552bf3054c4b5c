"""Of each model, and under each name, there is one engine: two would be taken for each other."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from ayo_bridge.engines.declared import Declared, Servers
from ayo_bridge.errors import ArgumentError
from ayo_bridge.seam import Engine

Declaration = Servers | Declared | Engine


def check_once(declared: Iterable[tuple[str, Declaration]], where: str = "") -> None:
    """Refuse declarations that could not be told apart.

    Args:
        declared: each with what it is called.
        where: how the message begins.

    Raises:
        ArgumentError: two of them are of one model, or have one name; the message names both.
    """
    seen: dict[Hashable, tuple[str, Declaration]] = {}
    for mine in declared:
        for key, name in _known_by(mine[1]):
            other = seen.setdefault(key, mine)
            if other[1] is not mine[1]:
                both = f"{_shown(*other)} and {_shown(*mine)}"
                served = _servers(other[1]) and _servers(mine[1])
                todo = "name all URLs in one of them" if served else "keep one of them"
                raise ArgumentError(f"{where}{name} is declared twice: {both}: {todo}")


def _known_by(declared: Declaration) -> Iterator[tuple[Hashable, str]]:
    """Keys by which one is found, with words for each."""
    servers = _servers(declared)
    if servers is not None:
        yield (servers.kind, servers.model), repr(servers.model)
        return
    if isinstance(declared, Declared):
        yield (declared.kind, declared.source), repr(declared.source)
    if isinstance(declared, Engine):
        yield declared.name, f"the engine {declared.name!r}"


def _servers(declared: Declaration) -> Servers | None:
    if isinstance(declared, Servers):
        return declared
    return declared.servers if isinstance(declared, Declared) else None


def _shown(label: str, declared: Declaration) -> str:
    settings = declared.settings if isinstance(declared, Servers | Declared) else ""
    return f"{label} ({settings})" if settings else label


__all__ = ["Declaration", "check_once"]
