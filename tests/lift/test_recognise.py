"""A method is the library's own only if its code lies in the file that its class comes from."""

import functools
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wrapt

from ayo_bridge.lift.recognise import Recogniser, class_of
from ayo_bridge.lift.witness import witnessed

LIBRARY = """
import functools
from acme.decorators import traced, counted

class Base:
    def search(self):
        return "base"

class Retriever(Base):
    kind = "plain"

    def search(self):
        return super().search()

    @traced
    def traced(self):
        return 1

    @counted()
    def counted(self):
        return 2

    @staticmethod
    def static():
        return 3

    @functools.cached_property
    def cached(self):
        return 4

class Child(Retriever):
    pass
"""
DECORATORS = """
import functools
import wrapt

@wrapt.decorator
def traced(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs)

def counted():
    def wrap(f):
        f.__wrapped__ = True
        def inner(self, *args, **kwargs):
            return f(self, *args, **kwargs)
        for name in ("__module__", "__name__", "__qualname__"):
            setattr(inner, name, getattr(f, name))
        return inner
    return wrap
"""
PATCH = """
import functools

def wrapping(original):
    @functools.wraps(original)
    def search(self):
        return "patched"
    return search

def posing(cls):
    def search(self):
        return "patched"
    search.__module__, search.__qualname__ = cls.__module__, f"{cls.__qualname__}.search"
    return search
"""
METHODS = ("search", "traced", "counted", "static", "cached")


def load(name: str, source: str, folder: Path) -> types.ModuleType:
    """Import a module from a file of its own."""
    file = folder / f"{name.replace('.', '_')}.py"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[Any]:
    sys.modules["acme"] = types.ModuleType("acme")
    load("acme.decorators", DECORATORS, tmp_path / "acme")
    yield load("acme.retrievers", LIBRARY, tmp_path / "acme")
    for name in [name for name in sys.modules if name.partition(".")[0] in ("acme", "patches")]:
        del sys.modules[name]


@pytest.fixture
def recogniser() -> Recogniser:
    return Recogniser(("acme",))


def test_a_class_as_it_was_written_is_recognised(acme: Any, recogniser: Recogniser) -> None:
    assert recogniser.differs(acme.Retriever(), acme.Retriever, *METHODS) is None


def test_a_subclass_is_another_class(acme: Any, recogniser: Recogniser) -> None:
    reason = recogniser.differs(acme.Child(), acme.Retriever, "search")
    assert reason == "Child is not Retriever itself"


def test_a_method_of_the_instance_counts(acme: Any, recogniser: Recogniser) -> None:
    retriever = acme.Retriever()
    retriever.search = lambda: "mine"
    assert recogniser.differs(retriever, acme.Retriever, "search") is not None


def test_a_name_that_is_not_there_is_said(acme: Any, recogniser: Recogniser) -> None:
    assert recogniser.overridden(acme.Retriever(), "gone") == "Retriever has no gone"


@pytest.mark.parametrize("folder", ["app", "acme", "my_acme_app", "site-packages/acme"])
@pytest.mark.parametrize("how", ["wrapping", "posing"])
@pytest.mark.parametrize("where", ["Retriever", "Base"])
def test_a_patch_is_foreign_wherever_it_lies(
    acme: Any, recogniser: Recogniser, tmp_path: Path, folder: str, how: str, where: str
) -> None:
    patches = load("patches", PATCH, tmp_path / folder)
    patched = getattr(acme, where)
    make: Callable[[Any], Any] = getattr(patches, how)
    patched.search = make(patched.search if how == "wrapping" else patched)
    reason = recogniser.differs(acme.Retriever(), acme.Retriever, "search")
    assert reason is not None
    assert "patches" in reason


def test_a_wrapper_of_somebody_else_is_foreign(acme: Any, recogniser: Recogniser) -> None:
    def traced(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    wrapt.wrap_function_wrapper(acme, "Retriever.search", traced)
    reason = recogniser.differs(acme.Retriever(), acme.Retriever, "search")
    assert reason is not None
    assert "traced" in reason


def test_a_wrapper_of_ours_is_looked_through(acme: Any, recogniser: Recogniser) -> None:
    def ours(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    ours.__module__ = "ayo_bridge.bindings.of_this_test"
    wrapt.wrap_function_wrapper(acme, "Retriever.search", functools.partial(ours))
    assert recogniser.differs(acme.Retriever(), acme.Retriever, "search") is None


def test_a_decorator_of_another_package_is_foreign(acme: Any) -> None:
    reason = Recogniser().differs(acme.Retriever(), acme.Retriever, "traced")
    assert reason is not None


def test_what_is_patched_later_is_seen_later(
    acme: Any, recogniser: Recogniser, tmp_path: Path
) -> None:
    with witnessed() as witness:
        assert recogniser.differs(acme.Retriever(), acme.Retriever, "search") is None
    patches = load("patches", PATCH, tmp_path)
    original = acme.Retriever.search
    acme.Retriever.search = patches.wrapping(original)
    assert not witness.stands()
    assert recogniser.differs(acme.Retriever(), acme.Retriever, "search") is not None
    acme.Retriever.search = original
    assert recogniser.differs(acme.Retriever(), acme.Retriever, "search") is None


def test_a_foreign_method_is_looked_at_anew_each_time(
    acme: Any, recogniser: Recogniser, tmp_path: Path
) -> None:
    acme.Base.search = load("patches", PATCH, tmp_path).wrapping(acme.Base.search)
    with witnessed() as witness:
        assert recogniser.differs(acme.Retriever(), acme.Retriever, "search") is not None
    assert witness.wavers


def test_a_class_is_below_its_type_parameters() -> None:
    from langchain_core.runnables import RunnableParallel

    assert class_of(RunnableParallel[dict[str, Any]](a=lambda x: x)) is RunnableParallel
