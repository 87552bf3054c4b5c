"""In which order a client writes the keys of the objects in its requests.

A learned request knows its values, not their order, and the order is seen: servers write tools into
the prompt as they come. So what is made ahead has the order in which the original wrote it before.
"""

from __future__ import annotations

import weakref
from collections.abc import Hashable, Mapping
from typing import Any, Final

MOST_FORMS: Final = 2000
_MOST_ENGINES: Final = 256
_Path = tuple[str, ...]
_Form = tuple[_Path, frozenset[str]]


class KeyOrder:
    """What was seen of one writer. A form of object: where it stands, and which keys it has.

    Threads may note at once: each entry is written as a whole, and always from what was sent.
    """

    def __init__(self) -> None:
        self._known: dict[_Form, tuple[str, ...] | None] = {}
        """``None``: it was written in several orders, so none can be predicted."""

    def note(self, form: _Form, keys: tuple[str, ...]) -> None:
        """An object of this form was written with its keys in this order."""
        known = self._known.get(form, keys)
        if known != keys:
            self._known[form] = None
        elif len(self._known) < MOST_FORMS:
            self._known[form] = keys

    def of(self, form: _Form) -> tuple[str, ...] | None:
        """The keys of a form in their order.

        Raises:
            KeyError: no such object was seen.
        """
        return self._known[form]


_by_client: weakref.WeakKeyDictionary[object, KeyOrder] = weakref.WeakKeyDictionary()
_by_engine: dict[Hashable, KeyOrder] = {}


def saw(client: object, engine: Hashable, body: Mapping[str, Any]) -> None:
    """A request was sent by a client to an engine."""
    if len(_by_engine) >= _MOST_ENGINES:
        _by_engine.clear()
    of_client = _by_client.setdefault(client, KeyOrder())
    _saw((of_client, _by_engine.setdefault(engine, KeyOrder())), body, ())


def _saw(orders: tuple[KeyOrder, ...], value: Any, path: _Path) -> None:
    if isinstance(value, dict):
        if len(value) > 1:
            keys = tuple(value)
            form = path, frozenset(keys)
            for order in orders:
                order.note(form, keys)
        for key, inner in value.items():
            if isinstance(inner, dict | list):
                _saw(orders, inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, dict | list):
                _saw(orders, inner, path)


def arranged(client: object, engine: Hashable, body: Mapping[str, Any]) -> dict[str, Any]:
    """A request in the order in which this client writes such, or else all clients of the engine.

    Raises:
        ValueError: nobody has written such an object yet, or in more than one order.
    """
    known = (_by_client.get(client), _by_engine.get(engine))
    orders = tuple(order for order in known if order is not None)
    found = _arranged(orders, dict(body), ())
    assert isinstance(found, dict)
    return found


def _arranged(orders: tuple[KeyOrder, ...], value: Any, path: _Path) -> Any:
    if isinstance(value, list):
        return [_arranged(orders, inner, path) for inner in value]
    if not isinstance(value, dict):
        return value
    keys = tuple(value) if len(value) < 2 else _order(orders, (path, frozenset(value)))
    return {key: _arranged(orders, value[key], (*path, key)) for key in keys}


def _order(orders: tuple[KeyOrder, ...], form: _Form) -> tuple[str, ...]:
    for order in orders:
        try:
            keys = order.of(form)
        except KeyError:
            continue
        if keys is None:
            raise ValueError(f"{_words(form)} was written in more than one order of keys")
        return keys
    raise ValueError(f"{_words(form)} has keys in an order that was never seen")


def _words(form: _Form) -> str:
    return f"an object at {'.'.join(form[0])!r}" if form[0] else "the request"
