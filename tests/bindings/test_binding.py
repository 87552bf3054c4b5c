"""Wrappers go on when the application imports their library, and no sooner."""

from __future__ import annotations

import copy
import importlib
import operator
import os
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ayo_bridge.bindings.binding import Binding, changes, unfollowed
from ayo_bridge.errors import UnsupportedVersionWarning
from tests.bindings.conftest import SOURCE, Bind, Libraries


def test_the_wrappers_go_on_when_the_library_is_imported(library: Libraries, bind: Bind) -> None:
    name = library("ayolib_a")
    binding = bind((name, "Engine.ask"))
    assert binding.install()
    assert name not in sys.modules
    assert binding.status == "waits until ayolib_a is imported"
    before = binding.installed
    assert not before

    assert importlib.import_module(name).Engine().ask() == "asked*"
    assert binding.installed
    assert binding.status == "installed"


def test_a_library_that_is_there_is_wrapped_at_once(library: Libraries, bind: Bind) -> None:
    engine = importlib.import_module(library("ayolib_b")).Engine()
    binding = bind(("ayolib_b", "Engine.ask"))
    assert binding.install()
    assert engine.ask() == "asked*"


def _pickled(it: Any) -> Any:
    return pickle.loads(pickle.dumps(it))


CALLABLES = """

def function():
    return "called"


class Made(Child):
    @classmethod
    def make(cls):
        return cls.__name__
"""


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, _pickled])
@pytest.mark.parametrize("name", ["function", "Engine.ask", "Made.make"])
def test_what_is_wrapped_is_copied_and_pickled_as_it_was(
    library: Libraries, bind: Bind, how: Callable[[Any], Any], name: str
) -> None:
    names = ("function", "Engine.ask", "Made.make")
    binding = bind(*((library("ayolib_s", SOURCE + CALLABLES), each) for each in names))
    loaded = importlib.import_module("ayolib_s")
    find, engine = operator.attrgetter(name), loaded.Engine()
    given = (engine,) if name == "Engine.ask" else ()
    plain, asks = how(find(loaded)), how(engine.ask)
    told, alone = plain(*given), asks.__self__ is not engine
    binding.install()
    wrapped, asks = how(find(loaded)), how(engine.ask)
    assert (wrapped.__module__, wrapped.__qualname__) == (plain.__module__, plain.__qualname__)
    assert (wrapped(*given), asks()) == (f"{told}*", "asked*")
    assert (asks.__self__ is not engine) is alone


def test_installing_often_wraps_once(library: Libraries, bind: Bind) -> None:
    binding = bind((library("ayolib_c"), "Engine.ask"))
    assert binding.install()
    assert binding.install()
    engine = importlib.import_module("ayolib_c").Engine()
    assert binding.install()
    assert engine.ask() == "asked*"


def test_the_wrappers_come_off_again_and_go_on_again(library: Libraries, bind: Bind) -> None:
    binding = bind((library("ayolib_d"), "Engine.ask"), ("ayolib_d", "Child.tell"))
    binding.install()
    loaded = importlib.import_module("ayolib_d")
    assert (loaded.Engine().tell(), loaded.Child().tell()) == ("told", "told*")

    binding.uninstall()
    assert binding.status == "not installed"
    assert (loaded.Engine().ask(), loaded.Child().tell()) == ("asked", "told")
    assert "tell" not in vars(loaded.Child)

    assert binding.install()
    assert loaded.Engine().ask() == "asked*"


def test_a_binding_withdrawn_before_the_import_stays_off(library: Libraries, bind: Bind) -> None:
    binding = bind((library("ayolib_e"), "Engine.ask"))
    binding.install()
    binding.uninstall()
    engine = importlib.import_module("ayolib_e").Engine()
    assert engine.ask() == "asked"
    assert binding.status == "not installed"
    assert binding.install()
    assert engine.ask() == "asked*"


def test_a_binding_withdrawn_and_wanted_again_wraps_once(library: Libraries, bind: Bind) -> None:
    binding = bind((library("ayolib_f"), "Engine.ask"))
    binding.install()
    binding.uninstall()
    binding.install()
    assert importlib.import_module("ayolib_f").Engine().ask() == "asked*"


def test_two_bindings_share_a_module(library: Libraries, bind: Bind) -> None:
    name = library("ayolib_g")
    first = bind((name, "Engine.ask"))
    second = bind((name, "Engine.ask"), (name, "Engine.tell"), mark="+")
    first.install()
    second.install()
    engine = importlib.import_module(name).Engine()
    assert (engine.ask(), engine.tell()) == ("asked*+", "told+")
    second.uninstall()
    assert engine.ask() == "asked*"


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_each_module_of_a_library_is_wrapped_as_it_appears(
    library: Libraries, bind: Bind, order: tuple[str, str]
) -> None:
    names = [library(f"ayolib_h.{part}") for part in ("one", "two")]
    binding = bind(*((name, "Engine.ask") for name in names))
    binding.install()
    assert binding.status == "waits until ayolib_h.one, ayolib_h.two are imported"

    first, last = (f"ayolib_h.{part}" for part in order)
    assert importlib.import_module(first).Engine().ask() == "asked*"
    assert binding.status == f"installed in part, waits until {last} is imported"
    assert binding.followed
    assert importlib.import_module(last).Engine().ask() == "asked*"
    assert binding.installed


def test_a_missing_library_is_not_waited_for(
    library: Libraries, bind: Bind, versions: dict[str, str]
) -> None:
    binding = bind((library("ayolib_i"), "Engine.ask"), distribution="missing")
    assert not binding.install()
    assert binding.status == "missing is not installed"
    assert importlib.import_module("ayolib_i").Engine().ask() == "asked"
    versions["missing"] = "1.0"  # Installed since, in a notebook.
    assert binding.install()


@pytest.mark.parametrize(
    ("found", "tested"),
    [
        ("1.0", True),
        ("1.0.post1", True),
        ("1.9.9+cpu", True),
        ("2.0rc1", False),
        ("2.0", False),
        ("0.9", False),
        ("1.0rc1", False),
        ("no version", False),
    ],
)
def test_only_tested_versions_are_wrapped(
    library: Libraries, bind: Bind, versions: dict[str, str], found: str, tested: bool
) -> None:
    binding = bind((library("ayolib_j"), "Engine.ask"))
    versions["lib"] = found
    if tested:
        assert binding.install()
    else:
        with pytest.warns(UnsupportedVersionWarning, match="outside the tested range"):
            assert not binding.install()
    assert "ayolib_j" not in sys.modules


def test_a_version_changed_before_the_import_is_noticed(
    library: Libraries, bind: Bind, versions: dict[str, str]
) -> None:
    binding = bind((library("ayolib_k"), "Engine.ask"))
    binding.install()
    versions["lib"] = "2.1"
    with pytest.warns(UnsupportedVersionWarning, match=r"lib 2\.1 is outside"):
        engine = importlib.import_module("ayolib_k").Engine()
    assert engine.ask() == "asked"
    assert not binding.followed


def test_an_import_that_fails_leaves_the_binding_waiting(library: Libraries, bind: Bind) -> None:
    name = library("ayolib_l", "raise ImportError('no CUDA')\n")
    binding = bind((name, "Engine.ask"))
    binding.install()
    with pytest.raises(ImportError, match="no CUDA"):
        importlib.import_module(name)
    assert binding.status == "waits until ayolib_l is imported"
    library(name)
    assert importlib.import_module(name).Engine().ask() == "asked*"


def test_a_library_without_the_function_is_left_alone_and_the_import_succeeds(
    library: Libraries, bind: Bind
) -> None:
    name = library("ayolib_m")
    binding = bind((name, "Engine.ask"), (name, "Engine.gone"))
    binding.install()
    with pytest.warns(UnsupportedVersionWarning, match=r"no ayolib_m\.Engine\.gone"):
        engine = importlib.import_module(name).Engine()
    assert engine.ask() == "asked"
    assert unfollowed([binding]) is not None


def test_a_module_installed_from_within_its_own_import_is_wrapped_later(
    library: Libraries, bind: Bind, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = library("ayolib_n", f"import ayolib_hook\nayolib_hook.here()\n{SOURCE}")
    binding = bind((name, "Engine.ask"))
    hook = type(sys)("ayolib_hook")
    hook.here = binding.install  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ayolib_hook", hook)
    engine = importlib.import_module(name).Engine()
    assert binding.followed
    assert unfollowed([binding]) is None
    assert engine.ask() == "asked*"


def test_a_module_that_another_thread_imports_is_waited_for(
    library: Libraries, bind: Bind, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = library("ayolib_o", f"import ayolib_hook\nayolib_hook.here()\n{SOURCE}")
    begun, go_on = threading.Event(), threading.Event()

    def here() -> None:
        begun.set()
        go_on.wait(20)

    hook = type(sys)("ayolib_hook")
    hook.here = here  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ayolib_hook", hook)
    importing = threading.Thread(target=importlib.import_module, args=(name,))
    importing.start()
    assert begun.wait(20)
    binding = bind((name, "Engine.ask"))
    installing = threading.Thread(target=binding.install)
    installing.start()
    go_on.set()
    importing.join()
    installing.join()
    assert binding.installed
    assert sys.modules[name].Engine().ask() == "asked*"


def test_many_threads_install_and_import_and_wrap_once(library: Libraries, bind: Bind) -> None:
    names = [library(f"ayolib_p{number}") for number in range(20)]
    for name in names:
        binding = bind((name, "Engine.ask"))
        together = threading.Barrier(6)

        def work(number: int, name: str, binding: Binding, together: threading.Barrier) -> None:
            together.wait(20)
            if number % 2:
                binding.install()
            else:
                importlib.import_module(name)

        threads = [
            threading.Thread(target=work, args=(number, name, binding, together))
            for number in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert unfollowed([binding]) is None
        assert binding.installed
        assert sys.modules[name].Engine().ask() == "asked*"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_wraps_what_it_imports(library: Libraries, bind: Bind) -> None:
    name = library("ayolib_q")
    binding = bind((name, "Engine.ask"))
    binding.install()
    child = os.fork()
    if child == 0:
        right = False
        try:
            right = importlib.import_module(name).Engine().ask() == "asked*" and binding.installed
        finally:
            os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert binding.status == "waits until ayolib_q is imported"


def test_changes_count_what_goes_on_and_off(library: Libraries, bind: Bind) -> None:
    binding = bind((library("ayolib_r"), "Engine.ask"))
    binding.uninstall()
    binding.install()
    waiting = changes()
    binding.install()
    assert unfollowed([binding]) is None
    assert changes() == waiting
    importlib.import_module("ayolib_r")
    on = changes()
    assert on > waiting
    binding.install()
    assert changes() == on
    binding.uninstall()
    assert changes() > on
    off = changes()
    binding.uninstall()
    assert changes() == off


def test_of_alternatives_one_that_is_on_or_waits_is_enough(
    library: Libraries, bind: Bind, versions: dict[str, str]
) -> None:
    missing = bind((library("ayolib_s"), "Engine.ask"), distribution="missing")
    waits = bind((library("ayolib_t"), "Engine.ask"))
    missing.install()
    assert "missing is not installed" in str(unfollowed([missing]))
    assert "not installed" in str(unfollowed([waits]))
    waits.install()
    assert unfollowed([missing, waits]) is None
    importlib.import_module("ayolib_t")
    assert unfollowed([missing, waits]) is None


def test_an_untested_library_in_use_is_not_made_up_for_by_one_that_waits(
    library: Libraries, bind: Bind, versions: dict[str, str]
) -> None:
    versions["old"] = "0.1"
    untested = bind((library("ayolib_u"), "Engine.ask"), distribution="old")
    waits = bind((library("ayolib_v"), "Engine.ask"))
    with pytest.warns(UnsupportedVersionWarning):
        untested.install()
    waits.install()
    assert unfollowed([untested, waits]) is None
    importlib.import_module("ayolib_u")
    assert "old 0.1 is outside" in str(unfollowed([untested, waits]))
    importlib.import_module("ayolib_v")
    assert unfollowed([untested, waits]) is None
