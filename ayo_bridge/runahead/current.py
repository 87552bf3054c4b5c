"""The scope of the call that is running, carried by a context variable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ayo_bridge.runahead.scope import Scope

_current: ContextVar[Scope | None] = ContextVar("ayo_bridge_scope", default=None)


def current_scope() -> Scope | None:
    """The open scope this code runs under, or ``None``: then every binding is a pass-through."""
    scope = _current.get()
    return scope if scope is not None and not scope.closed else None


@contextmanager
def entered(scope: Scope | None) -> Iterator[None]:
    """Run a block under ``scope``. Never held across a ``yield`` to foreign code."""
    token = _current.set(scope)
    try:
        yield
    finally:
        _current.reset(token)
