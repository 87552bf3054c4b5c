"""What is told of a call's boundaries, by any thread and in any order, is its trace."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import inspect
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from pydantic import BaseModel

from ayo_bridge.learn.live.reach import reach
from ayo_bridge.learn.trace import Item, Kind, Result, ToolCall, Trace, TracedCall, Vector
from ayo_bridge.learn.tracing import tracer as tracing
from ayo_bridge.learn.tracing.branches import follow
from ayo_bridge.learn.tracing.places import within
from ayo_bridge.learn.tracing.tracer import MOST_CALLS, MOST_SIZE, Tracer, inputs_of


class Clock:
    """Seconds that pass by one at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def traced(program: Callable[[Tracer], Any], **inputs: str) -> tuple[Tracer, Trace | None]:
    place = follow(sys._getframe())
    tracer = Tracer(place, inputs, Clock())
    try:
        with within(place):
            program(tracer)
        return tracer, tracer.close()
    except ZeroDivisionError as error:
        return tracer, tracer.close(error)
    finally:
        place.close()


def trace_of(program: Callable[[Tracer], Any], **inputs: str) -> Trace:
    tracer, trace = traced(program, **inputs)
    assert trace is not None, tracer.dropped
    return trace


def ask(tracer: Tracer, request: str, answer: str = "") -> None:
    tracer.end(tracer.begin(Kind.LLM, request), Result(answer))


def test_a_trace_has_the_inputs_and_the_calls_with_what_they_asked_and_got() -> None:
    def program(tracer: Tracer) -> None:
        ask(tracer, "one", "1")
        tracer.end(tracer.begin(Kind.SEARCH, "two"), Result(items=(Item("2"),)))

    trace = trace_of(program, query="why")
    assert trace.inputs == {"query": "why"}
    first, second = trace.calls
    assert first == TracedCall(
        first.site, (), Kind.LLM, "one", Result("1"), began=1, ended=2, seconds=1.0
    )
    assert second == TracedCall(
        second.site, (), Kind.SEARCH, "two", Result(items=(Item("2"),)), 3, 4, seconds=1.0
    )
    assert first.site != second.site
    assert trace.seconds == 5.0


def test_moments_say_which_result_was_there_when_a_call_was_asked() -> None:
    def program(tracer: Tracer) -> None:
        first = tracer.begin(Kind.LLM, "first")
        beside = tracer.begin(Kind.LLM, "beside")
        tracer.end(first, Result("1"))
        after = tracer.begin(Kind.LLM, "after")
        tracer.end(beside, Result("2"))
        tracer.end(after, Result("3"))

    first, beside, after = trace_of(program).calls
    assert first.ended < after.began < beside.ended
    assert sorted(m for call in (first, beside, after) for m in (call.began, call.ended)) == [
        *range(1, 7)
    ]


def test_a_call_that_raised_or_is_still_on_its_way_has_no_result() -> None:
    def program(tracer: Tracer) -> None:
        tracer.end(tracer.begin(Kind.LLM, "raised"), None, ValueError())
        tracer.end(tracer.begin(Kind.LLM, "cancelled"), Result("late"), asyncio.CancelledError())
        tracer.begin(Kind.LLM, "running")

    calls = trace_of(program).calls
    assert [(call.request, call.result) for call in calls] == [
        ("raised", None),
        ("cancelled", None),
        ("running", None),
    ]
    assert calls[2].ended == 6


def test_a_call_of_an_entry_that_raised_gives_no_trace() -> None:
    def program(tracer: Tracer) -> None:
        ask(tracer, "one")
        raise ZeroDivisionError

    tracer, trace = traced(program)
    assert trace is None
    assert tracer.dropped == ""


def test_nothing_is_noted_after_the_end() -> None:
    tracer, trace = traced(lambda tracer: ask(tracer, "one"))
    late = tracer.begin(Kind.LLM, "late")
    assert late is None
    tracer.end(late, Result("x"))
    assert tracer.close() is None
    assert trace is not None
    assert len(trace.calls) == 1


def test_calls_of_many_threads_are_all_there_with_their_branches() -> None:
    def program(tracer: Tracer) -> None:
        def job(number: int) -> None:
            for at in range(3):
                ask(tracer, f"{number}.{at}", str(at))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(job, range(32)))

    calls = trace_of(program).calls
    assert {call.request: call.branch for call in calls} == {
        f"{number}.{at}": (number,) for number in range(32) for at in range(3)
    }
    assert len({call.site for call in calls}) == 1
    assert sorted(m for call in calls for m in (call.began, call.ended)) == [*range(1, 193)]
    assert [call.began for call in calls] == sorted(call.began for call in calls)


def test_as_many_calls_as_may_be_are_kept_and_one_more_drops_the_trace() -> None:
    def program(tracer: Tracer) -> None:
        for number in range(most):
            ask(tracer, str(number))

    most = MOST_CALLS
    assert len(trace_of(program).calls) == most
    most += 1
    tracer, trace = traced(program)
    assert trace is None
    assert "more than 400 calls" in tracer.dropped
    assert tracer._calls == []


@pytest.mark.parametrize(
    "result",
    [
        Result("x" * (MOST_SIZE // 4)),
        Result(tool_calls=(ToolCall("", "", "x" * (MOST_SIZE // 4)),)),
        Result(vectors=(Vector("v", (0.0,) * (MOST_SIZE // 32)),)),
        Result(items=(Item("", metadata={"title": "x" * (MOST_SIZE // 4)}),)),
    ],
    ids=["text", "tool calls", "vectors", "items"],
)
def test_a_trace_that_is_too_large_is_dropped_with_a_reason(result: Result) -> None:
    def program(tracer: Tracer) -> None:
        for _ in range(times):
            tracer.end(tracer.begin(Kind.LLM, ""), result)

    times = 4
    assert len(trace_of(program).calls) == 4
    times = 5
    tracer, trace = traced(program)
    assert trace is None
    assert "1,000,000 characters" in tracer.dropped


def test_large_requests_and_inputs_count_too() -> None:
    tracer, trace = traced(lambda tracer: ask(tracer, "x" * (MOST_SIZE // 2)), query="x" * 500_001)
    assert trace is None
    assert tracer.dropped


# Inputs.


class Model(BaseModel):
    question: str
    limit: int = 3
    api_key: str = ""


@dataclasses.dataclass
class Data:
    title: str
    model: Model | None = None


class Role(enum.StrEnum):
    USER = "user"


def entry(query: object, *rest: object, style: object = "plain", **more: object) -> None:
    pass


def found(*args: object, **kwargs: object) -> dict[str, str]:
    texts = inputs_of(args, kwargs, inspect.signature(entry))
    assert texts.pop("style", "plain") == "plain"
    return texts


def test_a_text_has_one_path_by_position_and_by_name_and_at_its_default() -> None:
    signature = inspect.signature(lambda query, style="plain": None)
    ways: list[tuple[tuple[str, ...], dict[str, str]]] = [
        (("why",), {}),
        ((), {"query": "why"}),
        (("why", "plain"), {}),
        (("why",), {"style": "plain"}),
    ]
    for args, kwargs in ways:
        assert inputs_of(args, kwargs, signature) == {"query": "why", "style": "plain"}
    assert inputs_of((), {"unknown": "x"}, signature) == {}


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("why", {"query": "why"}),
        (["a", ("b", "c")], {"query[0]": "a", "query[1][0]": "b", "query[1][1]": "c"}),
        ({"b": "2", "a": {"x y": "1"}}, {"query.a['x y']": "1", "query.b": "2"}),
        (Data("t", Model(question="q")), {"query.title": "t", "query.model.question": "q"}),
        (Model(question="q", api_key="sk-1"), {"query.question": "q"}),
        (QueryBundle("why"), {"query": "why"}),
        (QueryBundle("why", embedding=[0.5] * 5000), {"query": "why"}),
        (
            [NodeWithScore(node=TextNode(text="t", metadata={"file": "f", "page": 2}))],
            {"query[0].text": "t", "query[0].metadata.file": "f", "query[0].metadata.page": "2"},
        ),
        ([HumanMessage("hi")], {"query[0].content": "hi"}),
        ({"api_key": "sk-1", "Authorization": "Bearer"}, {}),
        ([3, None, 2.5, b"bytes", {1, 2}, Role.USER, "", int, len], {}),
    ],
)
def test_texts_are_found_by_path(value: object, texts: dict[str, str]) -> None:
    got = found(value)
    assert {path: got.get(path) for path in texts} == texts
    assert "sk-1" not in got.values()
    assert texts or not got
    assert got == found(value)


def test_of_messages_and_nodes_nothing_counts_that_is_random_or_says_the_text_again() -> None:
    assert found(TextNode(text="t")) == {"query.text": "t"}
    assert found(ChatMessage("why")) == {"query.content": "why"}
    assert found(AIMessage("so", id="run-1", response_metadata={"id": "x"})).keys() <= {
        "query.content",
        "query.type",
    }


def test_of_a_runnables_config_only_what_is_configurable_counts() -> None:
    signature = inspect.signature(lambda input, config=None: None)
    config = {"tags": ["a"], "run_id": "1", "configurable": {"session": "s"}}
    expected = {"input": "why", "config.configurable.session": "s"}
    assert inputs_of(("why", config), {}, signature) == expected
    assert inputs_of(("why",), {"config": {"tone": "dry"}}, signature)["config.tone"] == "dry"


def test_messages_of_both_frameworks_give_their_content() -> None:
    assert found([AIMessage("hello", id="run-1")])["query[0].content"] == "hello"
    message = ChatMessage(content="hello", role="user")
    assert found([message])["query[0].content"] == "hello"
    parts = HumanMessage([{"type": "text", "text": "part"}])
    assert found([parts])["query[0].content[0].text"] == "part"


def test_no_code_of_an_argument_runs() -> None:
    ran: list[str] = []

    class Touchy:
        content = "class"

        def __init__(self) -> None:
            self.page_content = "own"

        @property
        def text(self) -> str:
            ran.append("property")
            return "loaded"

        @property  # type: ignore[misc]
        def __class__(self) -> type:
            ran.append("class")
            return str

        def __getattr__(self, name: str) -> Any:
            ran.append(name)
            raise AttributeError(name)

    def touched(self: Any, *args: Any) -> Any:
        ran.append(type(self).__name__)
        return iter(())

    own = dict.fromkeys(("__iter__", "__len__", "__getitem__", "__contains__"), touched)
    shy = {"keys": touched, "items": touched, "get": touched, "__str__": touched}
    data = type("Data", (dict,), own | shy)(a="in a mapping")
    items = type("Items", (list,), own)(["in a list"])
    text = type("Text", (str,), own | shy)("a text")

    class Lazy(Mapping[str, str]):
        __getitem__ = __iter__ = __len__ = touched

    assert found([Touchy(), data, items, text, Lazy()]) == {
        "query[0].content": "class",
        "query[0].page_content": "own",
        "query[1].a": "in a mapping",
        "query[2][0]": "in a list",
        "query[3]": "a text",
    }
    assert reach([Touchy(), data, items])
    assert ran == []


def test_slots_are_read_and_properties_of_a_model_of_ones_own_are_not() -> None:
    class Slots:
        __slots__ = ("content", "text")

        def __init__(self) -> None:
            self.text = "said"

    class Loads(Model):
        @property
        def content(self) -> str:
            raise AssertionError("asked")

    assert found(Slots()) == {"query.text": "said"}
    assert found(Loads(question="q")) == {"query.question": "q"}


def test_more_arguments_have_paths_too() -> None:
    assert found("q", "r", "s", key="k") == {
        "query": "q",
        "rest[0]": "r",
        "rest[1]": "s",
        "more.key": "k",
    }


def test_the_order_of_a_mapping_does_not_matter() -> None:
    assert [*found({"a": "1", "b": "2"})] == [*found({"b": "2", "a": "1"})]


def test_depth_number_and_length_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    deep: object = "x"
    for depth in range(6):
        assert found(deep) == ({"query" + "[0]" * depth: "x"} if depth <= 4 else {})
        deep = [deep]
    assert len(found([["x"] * 150] * 3)) == 200
    assert found(["x" * 150_000, "y" * 100_000, "z"]).keys() == {"query[0]", "query[2]"}
    circular: list[object] = ["x"]
    circular.append(circular)
    assert len(found(circular)) == 4
    monkeypatch.setattr(tracing, "_MOST_VALUES", 10)
    assert len(found([[[1] * 10] * 10, "x"])) == 0
