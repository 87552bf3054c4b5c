"""A later process runs ahead by what an earlier one has learned, as long as that is true."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.learn.kept import TemplateStore
from ayo_bridge.learn.live.call import Ended, LiveCall
from ayo_bridge.learn.live.learned import UNASKED, Learned
from ayo_bridge.learn.live.lesson import Lesson
from ayo_bridge.learn.template import Template
from ayo_bridge.runahead import AcceleratedState
from tests.deadline import eventually
from tests.learn import kept_app
from tests.stub_openai import StubOpenAI

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubOpenAI]:
    monkeypatch.setenv("AYO_TEMPLATE_DIR", str(tmp_path))
    kept_app.change("List")
    with StubOpenAI(latency=0.03) as made:
        kept_app.talk_to(made.base_url)
        yield made
        kept_app.hang_up()


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    made = Runtime(measure=False, templates=True)
    yield made
    made.close()


def files() -> list[Path]:
    return TemplateStore().files()


def taught(runtime: Runtime) -> Any:
    fast = accelerate(kept_app.answer, runtime=runtime)
    for number in range(4):
        fast(kept_app.question(number))
    eventually(lambda: kept_app.trusted(fast), "the end of learning")
    return fast


def test_a_second_process_runs_ahead_in_its_second_call_by_what_the_first_has_learned(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    taught(runtime)
    eventually(lambda: bool(files()), "the writing of the template")
    text = files()[0].read_text()
    for private in (kept_app.EMAIL, kept_app.KEY, "0123456789abcdef", "glaciers", stub.base_url):
        assert private not in text
    stub.reset()
    command = [sys.executable, "-m", "tests.learn.kept_app", stub.base_url, "10", "2"]
    environment = {**os.environ, "AYO_TEMPLATES": "1", "PYTHONHASHSEED": "7"}
    other = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60
    )
    assert other.returncode == 0, other.stderr
    calls = json.loads(other.stdout)["calls"]
    assert [outcomes for _, outcomes in calls] == [["DIRECT"] * 3, ["DIRECT", "HIT", "HIT"]]
    assert len(stub.calls) == 6
    assert [got for got, _ in calls] == [
        kept_app.answer(kept_app.question(number)) for number in (10, 11)
    ]


def test_a_template_that_is_no_longer_true_sends_nothing_and_is_deleted_and_learned_anew(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    taught(runtime)
    eventually(lambda: bool(files()), "the writing of the template")
    before = files()[0].read_text()
    kept_app.change("Tell me")
    fast = accelerate(kept_app.answer, runtime=runtime)
    stub.reset()
    for number in range(20, 24):
        got = fast(kept_app.question(number))
        assert got == kept_app.answer(kept_app.question(number))
        assert kept_app.outcomes(fast) == ["DIRECT"] * 3
        if number == 20:
            eventually(lambda: "earlier process" in str(explain(fast)), "the loading")
    eventually(lambda: not files(), "the deletion")
    assert "learning (2 of 4 calls)" in str(explain(fast))
    for number in range(24, 28):
        fast(kept_app.question(number))
    eventually(lambda: kept_app.trusted(fast), "the end of learning")
    eventually(lambda: bool(files()) and files()[0].read_text() != before, "the writing")
    assert "Tell me" in files()[0].read_text()


def test_a_program_that_asks_at_other_places_is_learned_anew_from_its_first_call(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    taught(runtime)
    eventually(lambda: bool(files()), "the writing of the template")
    before = files()[0].read_text()
    kept_app.change("List", elsewhere=True)
    fast = accelerate(kept_app.answer, runtime=runtime)
    fast(kept_app.question(20))
    eventually(lambda: "learning (1 of 4 calls)" in str(explain(fast)), "the comparison")
    eventually(lambda: not files(), "the deletion")
    for number in range(21, 24):
        fast(kept_app.question(number))
    eventually(lambda: kept_app.trusted(fast), "the end of learning")
    eventually(lambda: bool(files()) and files()[0].read_text() != before, "the writing")


def test_a_lesson_of_an_earlier_process_that_no_call_has_asked_for_is_discarded_in_time() -> None:
    state = cast(AcceleratedState, None)
    learned = Learned(state, "app.answer", None)
    call = cast(LiveCall, SimpleNamespace(owners=learned.owners, lesson=None))
    for confirmed in (False, True):
        lesson = Lesson(Template(()), 4, 0.3, 0.1, frozenset(), earlier=True)
        call.owners = learned.owners
        call.lesson = learned.lesson = lesson
        sites = frozenset({"first"}) if confirmed else frozenset()
        for _ in range(UNASKED):
            assert learned.lesson is lesson
            learned.ended(call, Ended(None, frozenset(), sites))
        assert (learned.lesson is lesson) == confirmed


def test_a_runtime_that_keeps_nothing_neither_writes_nor_reads(
    stub: StubOpenAI, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not Runtime(measure=False).templates
    monkeypatch.setenv("AYO_TEMPLATES", "1")
    assert Runtime(measure=False).templates
    nothing = Runtime(measure=False, templates=False)
    taught(nothing)
    assert files() == []
    taught(runtime)
    eventually(lambda: bool(files()), "the writing of the template")
    fast = accelerate(kept_app.answer, runtime=nothing)
    used = files()[0].stat().st_mtime_ns
    fast(kept_app.question(30))
    time.sleep(0.05)
    assert "learning (1 of 4 calls)" in str(explain(fast))
    assert files()[0].stat().st_mtime_ns == used
    nothing.close()
