"""For whom a request is, beside its client: headers, a query, a user named in the body."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any, Final

from ayo_bridge.seam import Fields

_NAMING: Final = ("user", "safety_identifier", "prompt_cache_key", "cache_salt", "metadata")
"""Fields of a request that name an end user, or what belongs to one."""


class Named:
    """What one call may name in requests ahead. Not thread-safe.

    All calls so far may have been for one tenant, and this one for another: so a header or a user
    counts once this very call has named it, or was given it as its input.
    """

    def __init__(self, inputs: Mapping[str, str]) -> None:
        self._manners: set[Hashable] = {None}
        self._fields = {(name, json.dumps(text)) for name in _NAMING for text in inputs.values()}

    def used(self, manner: Hashable, fields: Fields) -> None:
        """The original has asked so."""
        self._manners.add(manner)
        self._fields.update(_named(fields))

    def may(self, manner: Hashable) -> bool:
        """Whether a request may have such headers and such a query."""
        return manner in self._manners

    def may_ask(self, request: str) -> bool:
        """Whether a request may name whom it names in its body."""
        return self._fields.issuperset(_naming(request))


@lru_cache(maxsize=256)
def _naming(request: str) -> frozenset[tuple[str, str]]:
    if not any(f'"{name}"' in request for name in _NAMING):
        return frozenset()  # Most name nobody: they are not read for it.
    try:
        fields: Any = json.loads(request)
    except ValueError:
        return frozenset()
    return _named(fields) if isinstance(fields, dict) else frozenset()


def _named(fields: Fields) -> frozenset[tuple[str, str]]:
    return frozenset(
        (name, json.dumps(fields[name], sort_keys=True)) for name in _NAMING if fields.get(name)
    )
