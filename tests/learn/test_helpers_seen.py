"""What helpers of frameworks return is told to whoever follows the call, and learned from."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import wrapt
from langchain_text_splitters import CharacterTextSplitter

from ayo_bridge import Runtime, accelerate
from ayo_bridge.learn.count import Fixed, Length
from ayo_bridge.learn.learned_site import LearnedClass, LearnedSite, Selector, Status
from ayo_bridge.learn.live.call import LiveCall
from ayo_bridge.learn.live.lesson import Lesson
from ayo_bridge.learn.live.owners import Owners
from ayo_bridge.learn.program import Index, Program, Ref, Term
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Item, Kind, Trace
from ayo_bridge.learn.tracing.branches import follow
from ayo_bridge.learn.tracing.places import within
from ayo_bridge.learn.tracing.tracer import MOST_CALLS, MOST_SIZE, Tracer
from ayo_bridge.lift.taps import Helper, data, texts
from ayo_bridge.runahead import Scope
from ayo_bridge.seam import Answer, BoundaryCall, FoundItem, Outcome, entered
from ayo_langchain.helper_rows import ROWS as LANGCHAIN
from ayo_llamaindex.found_nodes import TARGETS, choice_of, chosen, items_of
from ayo_llamaindex.helper_rows import ROWS as LLAMA_INDEX
from tests.adapters.python.programs import asking, learned, outcomes, prompts, question
from tests.learn.apps import Recorder, is_exact, words
from tests.learn.apps import learned as learned_of
from tests.scopes import open_scope
from tests.stub_openai import StubOpenAI


class Framework:
    """Two helpers, one of which uses the other, and one that asks engines inside of it."""

    def pack(self, chunks: list[str], partial: bool = False) -> list[str]:
        return self.split(" ".join(chunks))

    def split(self, text: str) -> list[str]:
        return text.split("|")

    def choose(self, chunks: list[str]) -> list[str]:
        return [self.split(chunk)[0] for chunk in chunks]

    async def apack(self, chunks: list[str]) -> list[str]:
        return self.pack(chunks)


def _framework(value: Callable[[Any], Answer] = texts) -> Any:
    """The framework with all of its helpers tapped; a class of its own."""
    cls = type("Tapped", (Framework,), dict(vars(Framework)))
    for row in (
        Helper("", "pack", value, when=lambda given: not given.get("partial")),
        Helper("", "split", value),
        Helper("", "choose", value, asks=True),
        Helper("", "apack", value, awaited=True),
    ):
        wrapt.wrap_function_wrapper(cls, row.function, row.target().wrapper)
    return cls()


class Listening:
    """A follower that notes what it is told of helpers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, tuple[str, ...]]] = []

    def begin(self, call: BoundaryCall) -> object:
        return call

    def grows(self, handle: object) -> None:
        return None

    def end(self, handle: object, result: object, error: BaseException | None = None) -> None:
        pass

    def helper(self, name: str, value: Callable[[], Answer]) -> None:
        self.told.append((name, tuple(item.text for item in value().items or ())))


@pytest.fixture
def scope(runtime: Runtime) -> Iterator[Scope]:
    made = open_scope(runtime)
    yield made
    made.close()


# Taps.


def test_what_a_helper_returns_is_told_once_however_many_helpers_are_in_it(scope: Scope) -> None:
    scope.follower = listening = Listening()
    with entered(scope):
        assert _framework().pack(["a|", "b"]) == ["a", " b"]
    assert listening.told == [("pack", ("a", " b"))]


def test_helpers_inside_of_one_that_asks_engines_are_told_before_it(scope: Scope) -> None:
    scope.follower = listening = Listening()
    with entered(scope):
        assert _framework().choose(["a|b", "c|d"]) == ["a", "c"]
    assert [name for name, _ in listening.told] == ["split", "split", "choose"]


async def test_coroutine_functions_are_told_of_when_they_have_returned(scope: Scope) -> None:
    scope.follower = listening = Listening()
    with entered(scope):
        assert await _framework().apack(["a", "b"]) == ["a b"]
    assert listening.told == [("apack", ("a b",))]


def test_no_value_is_made_without_a_follower_or_of_what_is_not_whole_yet(scope: Scope) -> None:
    def never(result: Any) -> Answer:
        raise AssertionError(f"nobody asked for {result}")

    framework = _framework(never)
    assert framework.pack(["a|b"]) == ["a", "b"]
    with entered(scope):
        assert framework.pack(["a|b"]) == ["a", "b"]
        scope.follower = Listening()
        assert framework.pack(["a"], partial=True) == ["a"]


def test_what_goes_wrong_in_telling_does_not_reach_the_original(scope: Scope) -> None:
    with entered(scope):
        scope.follower = Listening()
        assert _framework(lambda result: result.missing).split("a|b") == ["a", "b"]
    assert any("could not be followed" in each.reason for each in scope.record.decisions)


def test_a_helper_without_a_value_leaves_the_rest_of_the_call_followed(scope: Scope) -> None:
    def second(result: list[str]) -> Answer:
        return data(result[0]) if result[0] == "a" else texts(result)

    trace = _followed(scope, _framework(second), "a|b", "c|d")
    assert trace is not None
    assert [call.result and call.result.items for call in trace.calls] == [(Item("c"), Item("d"))]


def test_texts_are_no_parsed_data_and_models_are() -> None:
    from langchain_core.agents import AgentAction
    from llama_index.core.question_gen.types import SubQuestion

    assert '"tool": "find"' in (data(AgentAction(tool="find", tool_input="x", log="")).text or "")
    said = data([SubQuestion(sub_question="why?", tool_name="notes")]).text
    assert said == '[{"sub_question": "why?", "tool_name": "notes"}]'
    for nothing in ("a text", None, 3, object()):
        with pytest.raises(TypeError):
            data(nothing)
    with pytest.raises(TypeError):
        texts(["a", 3])  # type: ignore[list-item]


@pytest.mark.parametrize("row", [*LLAMA_INDEX, *LANGCHAIN], ids=lambda row: str(row.function))
def test_every_row_names_a_function_of_its_framework(row: Helper) -> None:
    found = importlib.import_module(row.module)
    parent, name, function = wrapt.resolve_path(found, row.function)
    assert name in vars(parent), "it is inherited: the row belongs to the base"
    assert inspect.iscoroutinefunction(function) == row.awaited


def test_a_search_in_memory_names_its_nodes_and_finds_their_texts(scope: Scope) -> None:
    from llama_index.core import MockEmbedding, VectorStoreIndex
    from llama_index.core.schema import QueryBundle, TextNode

    nodes = [TextNode(text=f"text {at}", id_=f"n{at}", metadata={"page": at}) for at in range(3)]
    index = VectorStoreIndex(nodes, embed_model=MockEmbedding(4))
    store: Any = index.vector_store
    assert items_of(store, ["n1"]) == (FoundItem("", "n1", {}),)
    retriever: Any = index.as_retriever()
    (told,) = [each for each in TARGETS if "._get" in each.attribute]
    scope.follower = Listening()
    with entered(scope):
        told.wrapper(lambda _: None, retriever, (QueryBundle("q"),), {})
    assert items_of(store, ["n1", "n7"]) == (
        FoundItem("text 1", "n1", {"page": "1"}),
        FoundItem("", "n7", {}),
    )
    every = list(retriever._node_ids)
    assert choice_of(store, every) == choice_of(store, every[::-1]) == "all"
    assert chosen(store, "all") == every[::-1]
    assert choice_of(store, every[:2]) not in ("all", choice_of(store, every[1:]))
    with pytest.raises(ValueError, match="not known"):
        chosen(VectorStoreIndex([], embed_model=MockEmbedding(4)).vector_store, "all")


# What becomes of the values.


def _followed(
    scope: Scope,
    framework: Any,
    *given: str,
    lesson: Lesson | None = None,
) -> Trace | None:
    """One call in which texts are split; its trace, if it is traced."""
    place = follow(sys._getframe())
    tracer = Tracer(place, {"q": "x"}) if lesson is None else None
    scope.follower = call = LiveCall(scope, place, Owners(), {"q": "x"}, tracer, lesson)
    with within(call.where), entered(scope):
        for text in given:
            framework.split(text)
    place.close()
    return tracer.close() if tracer is not None else None


def test_a_traced_call_has_the_values_of_helpers_between_its_calls(scope: Scope) -> None:
    trace = _followed(scope, _framework(), "a|b")
    assert trace is not None
    (call,) = trace.calls
    assert (call.kind, call.request, call.seconds) == (Kind.HELPER, "split", 0.0)
    assert call.result is not None
    assert call.result.items == (Item("a"), Item("b"))
    assert call.began < call.ended


def test_values_alone_do_not_have_a_trace_dropped(scope: Scope) -> None:
    trace = _followed(scope, _framework(), "a|" * MOST_SIZE, *["a|b"] * MOST_CALLS)
    assert trace is not None
    assert len(trace.calls) == MOST_CALLS // 2


def _lesson(helper: str) -> Lesson:
    """Each text of a helper is a request."""
    program = Program((Ref((Term(("at", helper, 0, "items", Index("visit"), "text")),)),))
    asked = LearnedSite(
        "ask",
        Kind.LLM,
        (LearnedClass(Selector(), program, 4, 4),),
        Length(("at", helper, 0, "items")),
        Status.LEARNED,
    )
    value = LearnedSite(helper, Kind.HELPER, (), Fixed(1), Status.HELPER)
    return Lesson(Template((value, asked)), 4, 1.0, 0.5, frozenset())


@pytest.mark.parametrize(("waited", "made"), [(True, 1), (False, 0)])
def test_a_value_is_made_only_where_a_prediction_waits_for_it(
    scope: Scope, waited: bool, made: int
) -> None:
    trace = _followed(scope, _framework(), "a|b")
    assert trace is not None
    site = trace.calls[0].site if waited else "another"
    seen: list[list[str]] = []

    def value(result: list[str]) -> Answer:
        seen.append(result)
        return texts(result)

    _followed(scope, _framework(value), "a|b", lesson=_lesson(site))
    assert len(seen) == made


def _again_for_each_that_failed(r: Recorder, query: str) -> None:
    """Nothing in the requests says how many there are: the helper's list does."""
    draft = r.llm("draft", f"Answer this: {query}")
    failed = r.helper("failed", [f"{at} of {draft}" for at in range(int(query[-5:-1]) % 3)])
    for at, _ in enumerate(failed):
        r.llm("again", f"Improve part {at} of this answer:\n{draft}")


def test_a_list_of_a_helpers_says_how_often_something_is_done() -> None:
    assert is_exact(_again_for_each_that_failed)
    again = learned_of(_again_for_each_that_failed).site("again")
    assert again is not None
    assert again.count == Length(("at", "failed", 0, "items"))


# Live.


def _essay(request: Any) -> str:
    """Words in which nothing marks where they will be split."""
    return " ".join(words(request.prompt + str(at), 8)[:-1].lower() for at in range(4))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_a_splitter_makes_of_an_answer_is_asked_for_side_by_side(runtime: Runtime) -> None:
    splitter = CharacterTextSplitter(separator=" ", chunk_size=60, chunk_overlap=0)
    with StubOpenAI(latency=0.01) as stub:
        stub.reply_when("Write on", text=_essay)
        ask = asking(stub)

        def summarise(query: str) -> str:
            chunks = splitter.split_text(ask(f"Write on this: {query}"))
            return "\n".join(ask(f"Sum up: {chunk}") for chunk in chunks)

        fast = accelerate(summarise, runtime=runtime)
        for number in range(5):
            assert fast(question(number)) == summarise(question(number))
        learned(fast)
        query, before = question(30), prompts(stub)
        expected = summarise(query)
        between = prompts(stub)
        assert fast(query) == expected
        made = between - before
        assert made.total() > 4
        assert prompts(stub) - between == made
        assert outcomes(fast)[Outcome.HIT] >= made.total() - 2
        assert not outcomes(fast)[Outcome.WASTED]
