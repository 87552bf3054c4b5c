"""What is known of a prompt is prefilled while the original waits for another answer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from ayo_bridge import Runtime, explain
from ayo_bridge.bindings.completions import cut_prompt, shows_prefix_cache
from ayo_bridge.engines.openai_http.reply import Body, Reply
from ayo_bridge.learn.count import AtLeast, Fixed
from ayo_bridge.learn.known import Known
from ayo_bridge.learn.learned_site import LearnedClass, LearnedSite, Selector, Status
from ayo_bridge.learn.live.prefixes import LEAST_FRESH, Prefixes
from ayo_bridge.learn.program import Const, Hole, Program, Ref, Term
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Kind, Result
from ayo_bridge.profile import LLMProfile
from ayo_bridge.seam import Outcome
from tests.adapters.python.programs import Ask, asked, client_of, outcomes, question
from tests.learn.boundaries.arms import taught
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
_numbers = itertools.count()


def _notes(request: Any) -> str:
    return " ".join(f"In {request.prompt[-30:]} it is said {at} times." for at in range(40))


def _writer(ask: Ask, hole: Callable[[], int]) -> Callable[[str], str]:
    """Its last prompt has a hole after all that is known of it since the first answer."""

    def answer(query: str) -> str:
        notes = ask(f"Write notes on {query}")
        ask(f"Name the effects of {query}")
        mood = ask(f"Mood number {hole()}?")
        return ask(f"Task: go on.\n{notes}\nThe mood is {mood[:2]}{hole()}, and so on")

    return answer


def _profiled(stub: StubOpenAI, runtime: Runtime, per_token: float = 1e-5) -> None:
    """Prefilling costs much at this server, and it is otherwise idle."""
    engine = f"llm:stub@{urlsplit(stub.base_url).netloc}"
    runtime.profiles.publish(engine, LLMProfile(1e-6, per_token, 1e-3))


def _marked(stub: StubOpenAI) -> list[Any]:
    return [request for request in stub.requests if request.mark == "warm"]


@pytest.fixture
def fast(stub: StubOpenAI, runtime: Runtime) -> Any:
    """The writer, learned; its server is known to be a vLLM by the first reply."""
    client = client_of(stub)
    stub.reply_when("Write notes", text=_notes)
    answer = _writer(lambda prompt: asked(client, prompt), lambda: next(_numbers) * 7919)
    made = taught(lambda query: len(answer(query)) > 0, runtime)
    _profiled(stub, runtime)
    stub.requests.clear()
    return made


def test_a_prefix_that_has_grown_is_prefilled_while_another_answer_is_awaited(
    stub: StubOpenAI, fast: Any
) -> None:
    assert fast(question(9))
    (warm,) = _marked(stub)
    last = stub.calls[-1]
    (message,) = warm.body["messages"]
    assert message["role"] == "user"
    assert last.prompt.startswith(message["content"])
    assert "it is said 39 times." in message["content"]
    assert warm.body["max_tokens"] == 1
    assert warm.body["continue_final_message"]
    assert warm.headers["authorization"] == last.headers["authorization"]
    assert warm.arrived < last.arrived
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 3, Outcome.WARM: 1}


def test_what_only_prefilling_wins_by_is_learned_and_nothing_is_made_ahead(
    stub: StubOpenAI, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(stub)
    stub.reply_when("Write notes", text=_notes)
    stub.latency = 0.04

    def answer(query: str) -> bool:
        notes = asked(client, f"Write notes on {query}")
        mood = asked(client, f"Mood number {next(_numbers) * 7919}?")
        rest = f"The mood is {mood[:2]}{next(_numbers) * 7919}, and so on"
        return len(asked(client, f"Task: go on.\n{notes}\n{rest}")) > 0

    _profiled(stub, runtime, 5e-5)
    monkeypatch.setattr(runtime.profiles, "observe", lambda call: None)  # It stays as it is.
    fast = taught(answer, runtime)
    assert "are won by prefilling" in explain(fast).full()
    stub.requests.clear()
    assert fast(question(9))
    (warm,) = _marked(stub)
    assert "it is said 39 times." in warm.body["messages"][0]["content"]
    assert outcomes(fast) == {Outcome.DIRECT: 3, Outcome.WARM: 1}


def test_a_server_that_takes_no_warm_is_sent_one_and_its_calls_go_ahead_as_ever(
    stub: StubOpenAI, fast: Any
) -> None:
    stub.reply_when(lambda request: request.mark == "warm", status=400)
    for number in range(9, 12):
        assert fast(question(number))
        assert outcomes(fast)[Outcome.HIT] == 1
    assert len(_marked(stub)) == 1


def test_no_warm_is_sent_where_none_is_wanted(
    stub: StubOpenAI, runtime: Runtime, fast: Any
) -> None:
    runtime.prefix_warming = False
    assert fast(question(9))
    assert not _marked(stub)


def test_only_a_plain_reply_of_vllm_shows_a_prefix_cache() -> None:
    def shows(content: object) -> bool:
        body = Body([json.dumps(content).encode()], ended=True)
        return shows_prefix_cache(Reply(200, (), body))

    assert shows({"choices": [], "kv_transfer_params": None})
    assert not shows({"choices": [{"message": {"content": '"kv_transfer_params"'}}]})
    assert not shows_prefix_cache("no reply")


@pytest.mark.parametrize("unfinished", ["", "\\", "\\u00"])
def test_a_prompt_is_cut_where_its_request_is_not_known_any_more(unfinished: str) -> None:
    like = {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]}
    begun = '{"max_tokens": 9, "messages": [{"content": "Be \\"brief\\".", "role": "system"}, '
    assert cut_prompt(begun + '{"content": "On \\n tides' + unfinished, like) == {
        "messages": [
            {"role": "system", "content": 'Be "brief".'},
            {"role": "user", "content": "On \n tides"},
        ]
    }
    assert cut_prompt('{"max_tokens": 9, "prompt": "On t', {"prompt": "x"}) == {"prompt": "On t"}
    for nothing in ("", '{"max_tok', begun + '{"content": "On", "role": "us'):
        with pytest.raises(ValueError, match=r"prompt|role"):
            cut_prompt(nothing, like)


_PARTS = (
    Const("begin "),
    Ref((Term(("at", "first", 0, "text")),)),
    Ref((Term(("at", "third", 0, "text")),)),
    Hole("chance"),
)


def _prefixes(count: Fixed | AtLeast = Fixed(2)) -> tuple[Prefixes, Known]:  # noqa: B008
    classes = (LearnedClass(Selector(), Program(_PARTS), 4, 4),)
    known = Known()
    site = LearnedSite("second", Kind.LLM, classes, count, Status.HOLE)
    return Prefixes(Template((site,)), known), known


def test_a_prefix_is_due_each_time_that_it_has_grown_by_a_block() -> None:
    prefixes, known = _prefixes()
    assert prefixes.due() == []
    known.result("first", 0, Result("long " * LEAST_FRESH))
    (due,) = prefixes.due()
    assert (due.site, due.visit, due.cached) == ("second", 0, len("begin "))
    prefixes.warmed(due)
    assert prefixes.due() == []
    known.result("third", 0, Result("more " * LEAST_FRESH))
    (more,) = prefixes.due()
    assert more.text.startswith(due.text)
    assert more.cached == len(due.text)
    prefixes.warmed(more)
    prefixes.asked(("second", 0), more.text + "x")
    assert prefixes.due() == []  # The second visit begins as the first did.
    assert prefixes.unused() == frozenset()


def test_a_prefix_that_has_grown_by_less_than_a_block_is_not_due() -> None:
    prefixes, known = _prefixes()
    known.result("first", 0, Result("short"))
    assert prefixes.due() == []


def test_a_visit_that_need_not_come_is_not_prefilled() -> None:
    prefixes, known = _prefixes(AtLeast(1))
    known.result("first", 0, Result("long " * LEAST_FRESH))
    assert len(prefixes.due()) == 1
    prefixes, known = _prefixes(AtLeast(1))
    known.result("first", 0, Result("long " * LEAST_FRESH))
    prefixes.asked(("second", 0), "begin")
    assert prefixes.due() == []


def test_a_site_that_asked_something_else_is_cold() -> None:
    prefixes, known = _prefixes()
    known.result("first", 0, Result("long " * LEAST_FRESH))
    (due,) = prefixes.due()
    prefixes.warmed(due)
    assert prefixes.unused() == {"second"}
    prefixes.asked(("second", 0), "something else")
    known.result("first", 0, Result("another " * LEAST_FRESH))
    assert prefixes.due() == []
    assert prefixes.cold == {"second"}
