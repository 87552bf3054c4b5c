"""Each event is logged with fields of fixed names, as a formatter that writes JSON finds them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from llama_index.core.base.base_query_engine import BaseQueryEngine

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.autorun.attached import attached_to, forget_all
from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.bindings.http_senders import CannotBuildError
from ayo_bridge.errors import NotAcceleratedWarning
from ayo_bridge.events import FIELDS, LEVELS, Event
from ayo_bridge.learn.live.worker import worker
from ayo_bridge.profile import ProfileStore
from ayo_bridge.runahead.failures import failed_ahead
from ayo_bridge.runahead.kept import Kept
from ayo_bridge.runahead.replayed import Difference
from ayo_bridge.runahead.verification import Verification
from ayo_bridge.telemetry.telemetry import Telemetry
from tests.adapters.python.programs import asking, learned, question
from tests.deadline import eventually
from tests.lift.toy.adapter import accelerate as accelerate_toy
from tests.lift.toy.answerer import Answerer
from tests.observe.states import state
from tests.runahead.fakes import GatedEngine, call, open_scope
from tests.stub_openai import StubOpenAI

# Functions keep their clients: these are not closed, and that is not our concern.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class AsJSON(logging.Formatter):
    """What applications write their logs with: the sentence, and every field of ours."""

    def format(self, record: logging.LogRecord) -> str:
        said = {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        return json.dumps({"message": record.getMessage(), "logger": record.name, **said})


class Lines(logging.Handler):
    """Keeps what would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(AsJSON())
        self.seen: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        line: dict[str, Any] = json.loads(self.format(record))
        if "event" in line:
            assert record.levelno == LEVELS[Event(line["event"])]
            self.seen.append(line)


Told = Callable[[Event], dict[str, Any]]


@pytest.fixture
def told() -> Iterator[Told]:
    """The one line of an event; all fields are there, and what was said of it is not empty."""
    logger, lines = logging.getLogger("ayo_bridge"), Lines()
    before = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.DEBUG)

    def of(event: Event) -> dict[str, Any]:
        (line,) = [line for line in lines.seen if line["event"] == event]
        assert set(FIELDS) <= set(line)
        assert line["logger"].startswith("ayo_bridge.")
        assert "" not in line.values()
        return line

    yield of
    logger.removeHandler(lines)
    logger.setLevel(before)


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path))
    yield made
    made.close()


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.02) as server:
        yield server


def _passes(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)


def test_a_library_that_is_followed_or_not(told: Told) -> None:
    target = Target("packaging.tags", "sys_tags", _passes)
    bound = Binding("tags", "packaging", ("20", "99"), (target,))
    missing = Binding("none", "no-such-library", ("1", "2"), (target,))
    try:
        assert bound.install()
    finally:
        bound.uninstall()
    assert not missing.install()
    assert told(Event.BOUND)["library"] == "packaging"
    refused = told(Event.NOT_BOUND)
    assert (refused["library"], refused["reason"]) == (
        "no-such-library",
        "no-such-library is not installed",
    )


def test_what_was_learned_and_what_was_discarded(
    told: Told, stub: StubOpenAI, runtime: Runtime
) -> None:
    ask = asking(stub)

    @accelerate_with(runtime)
    def compared(topic: str) -> str:
        return ask(f"For: {topic}") + ask(f"Against: {topic}")

    compared(question(0))
    assert "learning: 1 of" in str(explain(compared))
    for number in range(1, 5):
        compared(question(number))
    learned(compared)
    eventually(worker.is_idle, "the end of learning")
    said = told(Event.LEARNED)
    assert said["entry"] == "compared"
    assert said["target"] == "compared"
    assert "ms are expected instead of" in said["reason"]


def accelerate_with(runtime: Runtime) -> Callable[[Any], Any]:
    return lambda function: accelerate(function, runtime=runtime)


def test_a_function_that_asks_no_engine_is_told_of_once(told: Told, runtime: Runtime) -> None:
    def shout(text: str) -> str:
        return text.upper()

    loud = accelerate_with(runtime)(shout)
    for number in range(40):
        loud(question(number))
    eventually(worker.is_idle, "the end of learning")
    said = told(Event.LEFT_ALONE)
    assert (said["target"], said["entry"]) == ("shout", "shout")
    assert said["reason"] == "it makes no engine calls that can be followed"


def test_an_object_that_is_switched_off(told: Told) -> None:
    off = state()
    off.switch_off("it was in vain")
    off.switch_off("and again")
    said = told(Event.SWITCHED_OFF)
    assert said["target"] == "RetrieverQueryEngine"
    assert said["reason"] == "it was in vain; tried again in 60 s"


def test_a_call_that_differed(told: Told) -> None:
    wrong = Verification(state(), "query", Kept())
    wrong._mismatch(Difference("its answers differ", "'salt'", "'amber'"))
    said = told(Event.MISMATCH)
    assert (said["entry"], said["reason"]) == ("query", "its answers differ")
    assert (said["accelerated"], said["original"]) == ("'salt'", "'amber'")


def test_a_client_whose_requests_are_refused_is_told_of_once(told: Told, runtime: Runtime) -> None:
    for _ in range(2):
        failed_ahead(runtime, "query", "llm:stub", CannotBuildError("it has event hooks"))
    said = told(Event.REFUSED)
    assert (said["entry"], said["engine"], said["reason"]) == (
        "query",
        "llm:stub",
        "it has event hooks",
    )


def test_an_engine_that_fails_ahead(told: Told, tmp_path: Path) -> None:
    engine = GatedEngine()
    engine.gate.set()
    runtime = Runtime(engines=[engine], measure=False, profiles=ProfileStore(tmp_path))
    scope = open_scope(runtime, {"p": [call("a", ValueError("no"))]})
    ticket = scope.claim("a")
    assert ticket is not None
    assert ticket.wait() is None
    scope.close()
    runtime.close()
    said = told(Event.ENGINE_FAILED)
    assert (said["engine"], said["reason"]) == ("llm", "ValueError('no')")


def test_an_object_that_nothing_can_be_done_for_says_why_and_what_to_accelerate(
    told: Told, runtime: Runtime
) -> None:
    with httpx.Client(event_hooks={"request": [lambda request: None]}) as client:
        odd = Answerer("http://127.0.0.1:9/v1", "stub", client)
        with pytest.warns(NotAcceleratedWarning, match="nothing can be done for this Answerer"):
            accelerate_toy(odd, runtime)
    said = told(Event.LEFT_ALONE)
    assert said["target"] == "Answerer"
    assert "the HTTP client has event hooks" in said["reason"]
    assert "Accelerate the part whose engines are known" in said["reason"]


def test_an_object_of_a_program_that_does_not_know_of_us(told: Told) -> None:
    class Own:
        pass

    mine = Own()
    try:
        assert attached_to(mine) is not None
    finally:
        forget_all()
    said = told(Event.LEFT_ALONE)
    assert (said["target"], said["reason"]) == ("Own", "no adapter knows it")


def test_an_engine_of_such_a_program_is_accelerated(told: Told) -> None:
    from llama_index.core.response_synthesizers import ResponseMode

    from tests.differential import llama_index_parts as parts
    from tests.differential.harness import Env

    def none(name: str) -> Any:
        raise AssertionError(name)

    with StubOpenAI(latency=0.0) as stub:
        engine: BaseQueryEngine = parts.engine(Env(stub, none, False), ResponseMode.COMPACT)
        try:
            assert attached_to(engine) is not None
        finally:
            forget_all()
    said = told(Event.ACCELERATED)
    assert said["target"] == "RetrieverQueryEngine"
    assert "query" in said["entry"]


def test_what_is_not_exported(told: Told) -> None:
    Telemetry._say("the queue is full")
    assert told(Event.NOT_EXPORTED)["reason"] == "the queue is full"


def test_every_event_has_a_level() -> None:
    assert set(LEVELS) == set(Event)
