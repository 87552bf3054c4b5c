"""The scope of the call that is running, carried by a context variable."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ayo_bridge.runahead.scope import Scope

_current: ContextVar[Scope | None] = ContextVar("ayo_bridge_scope", default=None)


def current_scope() -> Scope | None:
    """The open scope this code runs under, or ``None``: then every binding is a pass-through."""
    scope = _current.get()
    return scope if scope is not None and not scope.closed else None


class entered:
    """Run a block under ``scope``. Never held across a ``yield`` to foreign code."""

    __slots__ = ("_scope", "_token")

    def __init__(self, scope: Scope | None) -> None:
        self._scope = scope

    def __enter__(self) -> None:
        self._token = _current.set(self._scope)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
