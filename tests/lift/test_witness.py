"""A verdict stands as long as what was looked at stands."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, PrivateAttr

from ayo_bridge.lift.witness import Witness, found, saw, stand, wavers, witnessed


class Base:
    def ask(self) -> str:
        return "base"


class Plain(Base):
    def __init__(self) -> None:
        self.size = 4
        self.parts = ["a", "b"]
        self.options = {"k": 1}
        self.many = list(range(100))


class Model(BaseModel):
    name: str = "x"
    _secret: int = PrivateAttr(default=1)


def test_nothing_has_changed() -> None:
    plain, model = Plain(), Model()
    witness = Witness()
    witness.saw(plain)
    witness.saw(model)
    witness.saw(plain)
    assert witness.stands()
    plain.parts[0] = plain.parts[0]
    assert witness.stands()


@pytest.mark.parametrize(
    "change",
    [
        lambda o: setattr(o, "size", 5),
        lambda o: setattr(o, "new", 5),
        lambda o: delattr(o, "size"),
        lambda o: o.parts.append("c"),
        lambda o: o.parts.__setitem__(0, "c"),
        lambda o: o.options.update(k=2),
        lambda o: o.options.clear(),
        lambda o: o.many.append(1),
        lambda o: setattr(o, "__dict__", dict(vars(o))),
        lambda o: setattr(o, "__class__", Base),
    ],
)
def test_a_change_of_an_object_is_seen(change: Callable[[Any], None]) -> None:
    plain = Plain()
    witness = Witness()
    witness.saw(plain)
    change(plain)
    assert not witness.stands()


def test_changes_of_a_pydantic_model_are_seen() -> None:
    for name, value in (("name", "y"), ("_secret", 2)):
        model = Model()
        witness = Witness()
        witness.saw(model)
        setattr(model, name, value)
        assert not witness.stands()


@pytest.fixture
def method() -> list[Any]:
    return [(vars(Base), "ask", vars(Base)["ask"], (vars(Plain),))]


def test_a_patched_class_is_seen(monkeypatch: pytest.MonkeyPatch, method: list[Any]) -> None:
    witness = Witness()
    witness.found(method)
    assert witness.stands()
    assert stand(method)
    with monkeypatch.context() as patch:
        patch.setattr(Base, "ask", lambda self: "patched")
        assert not witness.stands()
        assert not stand(method)
    assert witness.stands()
    monkeypatch.setattr(Plain, "ask", lambda self: "overridden", raising=False)
    assert not witness.stands()
    assert not stand(method)


def test_an_object_that_is_gone_does_not_stand_and_is_not_kept() -> None:
    plain = Plain()
    witness = Witness()
    witness.saw(plain)
    reference = weakref.ref(plain)
    del plain
    gc.collect()
    assert reference() is None
    assert not witness.stands()


def test_what_is_looked_at_in_a_block_is_witnessed() -> None:
    plain = Plain()
    saw(plain)  # outside: nobody is told
    with witnessed() as outer:
        saw(plain)
        with witnessed() as inner:
            wavers()
            found([])
        assert inner.wavers
        assert not inner.stands()
    assert outer.stands()
    plain.size = 5
    assert not outer.stands()
