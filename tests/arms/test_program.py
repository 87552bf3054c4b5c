"""The baselines without Ray: an app's modules as plain objects, called as the app is."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import BrokenBarrierError
from typing import Any

import pytest

from benchmarks.apps.arms.places import InProcess
from benchmarks.apps.arms.program import Program
from benchmarks.apps.arms.queues import TO
from benchmarks.apps.arms.steps import Groups
from benchmarks.apps.settings import Settings
from tests.arms import toy

AGENTS = (("index",), ("expand", "wanted"), ("search", "answer"))


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    toy.log.clear()
    yield
    toy.together.reset()


def program(groups: Groups = (), *, beside: bool) -> Program:
    return Program(
        "tests.arms.toy",
        Settings("http://127.0.0.1:9/v1"),
        InProcess(),
        policy=TO,
        groups=lambda chain: groups,
        beside=beside,
    )


@pytest.fixture(params=["llamadist", "llamadistpc", "autogen"])
def baseline(request: pytest.FixtureRequest) -> Iterator[Program]:
    made = {
        "llamadist": lambda: program(beside=False),
        "llamadistpc": lambda: program(beside=True),
        "autogen": lambda: program(AGENTS, beside=True),
    }[request.param]()
    yield made
    made.close()


def test_every_baseline_answers_as_the_modules_do_one_after_the_other(baseline: Program) -> None:
    chain = toy.chain(None)
    asked = [{"question": f"q{i}", "document": f"d{i}"} for i in range(6)]
    asked.append({"question": "no search", "document": "d"})
    with ThreadPoolExecutor(4) as users:
        found = [*users.map(lambda each: baseline(**each), asked)]
    assert found == [chain.run(**each) for each in asked]
    assert baseline("q", "d") == "d q"


def test_what_a_module_raises_is_raised_as_it_is(baseline: Program) -> None:
    with pytest.raises(LookupError, match="nothing is found"):
        baseline(question="E", document="I")
    assert baseline(question="q", document="d") == "d q"


def test_llamadist_runs_one_module_after_the_other() -> None:
    made = program(beside=False)
    made(question="q", document="d")
    assert toy.log == [
        f"{name} {what}"
        for name in ("index", "expand", "wanted", "search")
        for what in ("began", "ended")
    ]
    with pytest.raises(BrokenBarrierError):
        _meet(made, seconds=0.05)
    made.close()


@pytest.mark.parametrize("groups", [(), AGENTS])
def test_modules_and_agents_that_need_nothing_of_each_other_run_side_by_side(groups: Any) -> None:
    made = program(groups, beside=True)
    assert _meet(made) == "meet meet"
    assert {*toy.log[:2]} == {"index began", "expand began"}
    made.close()


def _meet(made: Program, seconds: float = 5.0) -> Any:
    """Ask for two modules that wait for each other."""
    toy.log.clear()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(toy, "PATIENCE", seconds)
        return made(question="meet", document="meet")
