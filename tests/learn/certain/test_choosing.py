"""A function that chooses its client by the tenant: none is certain."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any

import pytest

from tests.learn.certain.choosing import (
    CHOOSING,
    Choosing,
    clients,
    default,
    defaulted,
    looked_up,
    proxy,
    service,
    wrapping,
)
from tests.learn.certain.clients import Client, Service, TenantService, asks, certainly


def test_there_are_fifty_of_them() -> None:
    assert len(CHOOSING) >= 50


@pytest.mark.parametrize("function", CHOOSING, ids=lambda function: function.__name__)
def test_nothing_is_certain(function: Choosing) -> None:
    assert certainly(function, "q") == []


@pytest.mark.parametrize(
    "method",
    [
        service.by_property,
        service.set_before,
        TenantService(clients).by_other,
        functools.partial(defaulted, client=None),
        wrapping(service.answer),
        SimpleNamespace(ask=default.ask).ask.__call__,
        proxy,
        object(),
    ],
    ids=lambda method: getattr(method, "__qualname__", type(method).__name__),
)
def test_nothing_is_certain_of_methods_and_partials(method: Any) -> None:
    assert certainly(method, "q") == []


def test_a_method_that_is_replaced_on_the_object_is_followed_there() -> None:
    changed = Service(clients)
    changed.answer = clients["second"].ask  # type: ignore[method-assign, assignment]
    assert certainly(changed.by_other, "q") == ["second"]
    changed.answer = looked_up  # type: ignore[method-assign, assignment]
    assert certainly(changed.by_other, "q") == []


def test_a_client_whose_method_is_replaced_is_not_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(q: str) -> Any:
        return default.ask(q)

    assert certainly(answer, "q") == ["first"]
    monkeypatch.setattr(default, "ask", looked_up, raising=False)
    assert certainly(answer, "q") == []
    monkeypatch.undo()
    monkeypatch.setattr(Client, "ask", lambda self, q: looked_up(q))
    assert certainly(answer, "q") == []


def test_a_method_with_code_of_another_is_read_anew() -> None:
    def answer(q: str) -> Any:
        return default.ask(q)

    assert certainly(answer, "q") == ["first"]
    answer.__code__ = looked_up.__code__
    assert certainly(answer, "q") == []


def test_who_is_not_known_by_class_is_not_asked_for_anything() -> None:
    assert isinstance(proxy, Client)
    assert asks(proxy, ("ask",), False) is None
