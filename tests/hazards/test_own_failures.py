"""A mistake in our own bookkeeping never reaches the caller: the original goes its own way."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from ayo_bridge import Runtime, accelerate
from ayo_bridge.record.account import Account
from ayo_bridge.runahead import Planner, Scope
from ayo_bridge.runahead.ahead import Ahead
from ayo_bridge.runahead.state import AcceleratedState
from ayo_bridge.schedule import GraphScheduler
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env
from tests.hazards.engines import generation, tree


def _compact(env: Env) -> Any:
    return parts.engine(env, "compact")


_BUILDS = (tree, generation, _compact)
_EXPECTED: list[str] = []
"""What the originals answer; asked once."""


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Planner, "plan"),
        (Planner, "plan_expansion"),
        (Scope, "start"),
        (Scope, "expand"),
        (Ahead, "advance"),
        (Ahead, "_submit"),
        (Ahead, "_ended"),
        (Account, "take"),
        (GraphScheduler, "start"),
        (GraphScheduler, "complete"),
        (GraphScheduler, "extend"),
        (AcceleratedState, "note"),
    ],
)
def test_the_answer_comes_nevertheless(
    owner: type,
    name: str,
    env: Env,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _EXPECTED[:] = _EXPECTED or [str(build(env).query("one")) for build in _BUILDS]
    fast = [accelerate(build(env), runtime=runtime) for build in _BUILDS]
    monkeypatch.setattr(owner, name, _broken)
    with caplog.at_level(logging.CRITICAL + 1):
        assert [str(each.query("one")) for each in fast] == _EXPECTED


def _broken(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("a mistake of ours")
