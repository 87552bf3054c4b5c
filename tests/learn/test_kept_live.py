"""A later process runs ahead by what an earlier one has learned, as long as that is true."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.learn.disk.kept import CorruptTemplateWarning, TemplateStore, UnkeptTemplateWarning
from ayo_bridge.learn.live.worker import worker
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


def settled(fast: Any) -> None:
    """Wait until all is learned and written."""
    eventually(lambda: kept_app.trusted(fast), "the end of learning", 10)
    eventually(worker.is_idle, "the writing", 10)


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


def test_what_no_longer_fits_sends_nothing_and_is_learned_anew_beside_it(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    taught(runtime)
    eventually(lambda: bool(files()), "the writing of the template")
    before = files()[0].read_text()
    for word, elsewhere in (("Tell me", False), ("List", True)):
        kept_app.change(word, elsewhere=elsewhere)
        fast = accelerate(kept_app.answer, runtime=runtime)
        stub.reset()
        for number in range(20, 24):
            got = fast(kept_app.question(number))
            assert got == kept_app.answer(kept_app.question(number))
            assert kept_app.outcomes(fast) == ["DIRECT"] * 3
        settled(fast)
    assert len(files()) == 3
    assert before in [path.read_text() for path in files()]


def test_two_objects_of_one_class_find_each_its_own_and_the_used_one_is_replaced_when_it_fails(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    for word in ("List", "Tell me"):
        kept_app.change(word)
        settled(taught(runtime))
    both = files()
    assert len(both) == 2
    for word in ("List", "Tell me"):
        kept_app.change(word)
        fast = accelerate(kept_app.answer, runtime=runtime)
        seen = []
        for number in (30, 31):
            fast(kept_app.question(number))
            seen.append(kept_app.outcomes(fast))
            settled(fast)
        assert seen == [["DIRECT"] * 3, ["DIRECT", "HIT", "HIT"]]
    kept_app.change("Give")
    for number in range(40, 45):
        fast(kept_app.question(number))
    settled(fast)
    assert len(files()) == 2
    assert sorted("Give" in path.read_text() for path in files()) == [False, True]
    assert not any("Tell me" in path.read_text() for path in files())


@pytest.mark.parametrize("what", ["a damaged file", "a folder that cannot be written"])
def test_what_is_wrong_on_disk_is_said_once_and_the_app_learns_and_runs_ahead(
    what: str, stub: StubOpenAI, runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected: type[Warning] = CorruptTemplateWarning
    settled(taught(runtime))
    if what == "a damaged file":
        files()[0].write_text("{")
    else:
        expected = UnkeptTemplateWarning
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("AYO_TEMPLATE_DIR", str(tmp_path / "file" / "in"))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for _ in range(2):
            settled(fast := taught(runtime))
    assert [each.category for each in warned] == [expected]
    fast(kept_app.question(50))
    assert kept_app.outcomes(fast) == ["DIRECT", "HIT", "HIT"]


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
    assert "learning (1 of 4 calls)" in explain(fast).full()
    assert files()[0].stat().st_mtime_ns == used
    nothing.close()
