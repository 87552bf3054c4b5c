"""Where threads are greenlets, nothing is accelerated."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import warnings
from types import ModuleType
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from ayo_bridge import accelerate
from ayo_bridge.bindings.monkey import patched
from ayo_bridge.errors import NotAccelerableError, NotAcceleratedWarning
from tests.differential.langchain_parts import chat


@pytest.fixture(
    params=[("gevent.monkey", "is_module_patched"), ("eventlet.patcher", "is_monkey_patched")]
)
def patches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What the library says that it has patched; it is not there in truth."""
    name, question = request.param
    names: set[str] = set()
    fake: Any = ModuleType(name)
    setattr(fake, question, names.__contains__)
    monkeypatch.setitem(sys.modules, name, fake)
    return names


def test_a_process_as_it_is_has_nothing_patched() -> None:
    assert patched() is None


def test_a_library_that_has_patched_nothing_of_ours_is_no_reason(patches: set[str]) -> None:
    patches.add("time")
    assert patched() is None


def test_patched_sockets_are_a_reason(patches: set[str]) -> None:
    patches.add("socket")
    assert "has patched socket" in str(patched())


def test_a_patched_process_gets_the_object_itself_and_is_told_why(patches: set[str]) -> None:
    patches.update({"threading", "thread", "socket"})
    runnable = RunnableLambda(len)
    with pytest.warns(
        NotAcceleratedWarning, match=r"RunnableLambda .* has patched .*worker"
    ) as told:
        assert accelerate(runnable) is runnable
    assert told[0].filename == __file__


def test_what_nobody_knows_is_refused_in_a_patched_process_too(patches: set[str]) -> None:
    patches.add("socket")
    with pytest.raises(NotAccelerableError):
        accelerate(object())


@pytest.mark.skipif(importlib.util.find_spec("gevent") is None, reason="gevent is not installed")
def test_a_process_patched_by_gevent_is_recognised() -> None:
    code = (
        "from gevent import monkey; monkey.patch_all()\n"
        "from ayo_bridge.bindings.monkey import patched\nprint(patched())\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "gevent has patched threading and socket"


def test_a_threaded_process_is_not_warned() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        accelerate(chat("http://127.0.0.1:9/v1"))
