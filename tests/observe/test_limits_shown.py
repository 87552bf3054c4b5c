"""How much may be ahead at each server is shown."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ayo_bridge import Runtime, explain, stats
from ayo_bridge.errors import AyoBridgeError
from ayo_bridge.profile import ProfileStore
from ayo_bridge.schedule.limits import START
from tests.lift.toy.adapter import accelerate
from tests.lift.toy.answerer import Answerer
from tests.stub_openai import StubOpenAI


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.05) as server:
        yield server


def said(stub: StubOpenAI, runtime: Runtime) -> tuple[str, str]:
    with httpx.Client() as client:
        fast = accelerate(Answerer(stub.base_url, "stub", client), runtime)
        fast.ask("bridges")
    runtime.close()
    return explain(fast).full(), str(stats(fast))


def test_a_limit_that_is_found(stub: StubOpenAI, tmp_path: Path) -> None:
    for text in said(stub, Runtime(profiles=ProfileStore(tmp_path))):
        assert f"{stub.base_url.split('/')[2]}: at most {START} calls ahead." in text


def test_a_limit_that_is_set(
    stub: StubOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AYO_MAX_AHEAD", "3")
    stub.reply_when("", together=2)
    for text in said(stub, Runtime(profiles=ProfileStore(tmp_path))):
        assert "at most 3 calls ahead, as set." in text
    assert stub.max_in_flight == 2


def test_nothing_may_be_ahead(stub: StubOpenAI, tmp_path: Path) -> None:
    for text in said(stub, Runtime(max_ahead=0, profiles=ProfileStore(tmp_path))):
        assert "at most 0 calls ahead, as set." in text
    assert stub.max_in_flight == 1


@pytest.mark.parametrize("wrong", ["-1", "many", "1.5"])
def test_what_is_no_number_is_refused(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AYO_MAX_AHEAD", wrong)
    with pytest.raises(AyoBridgeError, match="AYO_MAX_AHEAD"):
        Runtime()
