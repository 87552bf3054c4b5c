"""What a result is taken apart into, and that no answer, however odd, is too much for it."""

from __future__ import annotations

import json

import pytest

from ayo_bridge.learn.known import input_path
from ayo_bridge.learn.trace import Item, Result, ToolCall, Vector, vector_name
from ayo_bridge.learn.values import COUNT, MOST_AVERAGED, Form, other_forms, part_of, shaped


def test_lines_are_numbered_without_the_empty_ones_and_may_lose_their_bullets() -> None:
    result = Result(text="1. One\n\n  - Two \n3) Three\n")
    assert part_of(result, "lines").texts == {
        ("lines", 0): "1. One",
        ("lines", 1): "- Two",
        ("lines", 2): "3) Three",
        ("lines", COUNT): "3",
    }
    assert list(part_of(result, "bare").texts.values()) == ["One", "Two", "Three"]


@pytest.mark.parametrize("text", ["", " \n "])
def test_an_answer_of_nothing_has_an_empty_list_of_lines(text: str) -> None:
    assert part_of(Result(text=text), "lines").lengths == {("lines",): 0}


def test_a_text_of_very_many_lines_is_no_list_and_not_an_empty_one_either() -> None:
    part = part_of(Result(text="x\n" * 500), "lines")
    assert not part.texts
    assert not part.lengths


def test_json_leaves_are_found_by_path_within_prose_and_fences() -> None:
    text = 'Here:\n```json\n{"a": [{"b": "x", "c": true}, 3], "d": [], "e": null}\n```\nDone.'
    part = part_of(Result(text=text), "json")
    assert part.texts["json", "a", 0, "b"] == "x"
    assert part.texts["json", "a", 0, "c"] == "true"
    assert part.texts["json", "a", 1] == "3"
    assert part.texts["json", "e"] == "null"
    assert part.lengths == {("json", "a"): 2, ("json", "d"): 0}
    assert part.texts["json", "d", COUNT] == "0"


def test_tool_calls_items_and_vectors_have_their_own_paths() -> None:
    call = ToolCall("call-1", "find", '{"query": "why", "top": [1]}')
    tools = part_of(Result(tool_calls=(call,)), "tools").texts
    assert tools["tools", 0, "args", "query"] == "why"
    assert tools["tools", 0, "args", "top", 0] == "1"
    assert tools["tools", 0, "id"] == "call-1"
    items = part_of(Result(items=(Item("Text.", "id-1", 0.5, {"page": "7"}),)), "items").texts
    assert items["items", 0, "text"] == "Text."
    assert items["items", 0, "metadata", "page"] == "7"
    rows = ((1.0, 3.0), (2.0, 5.0))
    vectors = Result(vectors=tuple(Vector(vector_name(row), row) for row in rows))
    assert part_of(vectors, "vectors").texts["vectors", 1] == vector_name((2.0, 5.0))
    assert part_of(vectors, "mean").texts["mean",] == vector_name((1.5, 4.0))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 30_000,
        "[" * 30_000 + "]" * 30_000,
        "{" * 5_000 + "]",
        '{"a": ' * 200 + "1" + "}" * 200,
        "9" * 10_000 + "[1" + "9" * 10_000 + "]",
        "\ud800 [\ud800]",
    ],
)
def test_an_odd_answer_has_no_leaves_and_does_no_harm(text: str) -> None:
    result = Result(text=text, tool_calls=(ToolCall("i", "n", text),))
    for part in ("json", "tools", "lines"):
        assert len(part_of(result, part).texts) < 10


def test_a_whole_index_of_vectors_is_not_averaged() -> None:
    many = tuple(Vector(str(i), (float(i),)) for i in range(MOST_AVERAGED + 1))
    assert part_of(Result(vectors=many), "mean").texts == {}


def test_arguments_that_are_no_json_leave_the_call_as_it_is() -> None:
    part = part_of(Result(tool_calls=(ToolCall("i", "n", "not json"),)), "tools")
    assert part.texts["tools", 0, "arguments"] == "not json"


def test_forms_are_given_only_where_they_differ() -> None:
    forms = {form.name for form, _ in other_forms("quite plain text")}
    assert forms == {"upper", "strip upper", "repr"}
    assert dict(other_forms("true")) == {Form("python"): "True"}
    assert shaped("abcdef", Form("cut", 3)) == "abc"
    long = "x" * 120
    assert (Form("cut", 100), "x" * 100) in set(other_forms(long))
    assert all(len(text) < 120 for form, text in other_forms(long) if form.name == "cut")


def test_the_twice_escaped_form_is_json_within_json() -> None:
    text = 'a "b"\n'
    assert dict(other_forms(text))[Form("json")] == json.dumps(text)[1:-1]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("query", ("in", "query")),
        ("history[1].content", ("in", "history", 1, "content")),
        ("[0]", ("in", 0)),
        ("", ("in", "")),
    ],
)
def test_the_name_of_an_input_is_its_path(name: str, path: tuple[str | int, ...]) -> None:
    assert input_path(name) == path
