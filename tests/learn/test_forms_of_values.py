"""Each form of value is learned from a few calls, and predicts another call to the byte."""

from __future__ import annotations

import json

import pytest

from ayo_bridge.learn.trace import ToolCall
from tests.learn.apps import App, Recorder, is_exact, words


def input_alone(r: Recorder, query: str) -> None:
    r.llm("a", f"List the causes: {query}")


def whole_answer(r: Recorder, query: str) -> None:
    answer = r.llm("a", f"List the causes: {query}")
    r.llm("b", f"Shorten this.\n\n{answer}\n\nThe question was {query}")


def stripped_answer(r: Recorder, query: str) -> None:
    answer = r.llm("a", f"Causes: {query}", f"\n  {words(query)} \n")
    r.llm("b", f"Shorten '{answer.strip()}'")


def lower_and_upper(r: Recorder, query: str) -> None:
    answer = r.llm("a", f"Causes: {query}", f"{words(query)}\n")
    r.llm("b", f"Judge '{answer.lower().strip()}' for '{query.upper()}'")


def python_literal(r: Recorder, query: str) -> None:
    answer = r.llm("a", f"Causes: {query}", f'{words(query)}\nIt is "so".')
    r.llm("b", f"Context: {[answer]}")


def cut(r: Recorder, query: str) -> None:
    answer = r.llm("a", f"Causes: {query}", words(query, 60))
    r.llm("b", f"Go on: {answer[:200]}...")


def escaped_twice(r: Recorder, query: str) -> None:
    answer = r.llm("a", f"Causes: {query}", f'{words(query)}\n"{words(query + "b")}"')
    r.llm("b", f"Input: {json.dumps({'text': answer}, ensure_ascii=False)}")


def first_line(r: Recorder, query: str) -> None:
    answer = r.llm("a", f"Causes: {query}", f"{words(query)}\n{words(query + 'b')}")
    r.llm("b", f"Explain: {answer.splitlines()[0]}")


def last_line(r: Recorder, query: str) -> None:
    lines = [words(f"{query}{i}") for i in range(2 + len(query) % 3)]
    answer = r.llm("a", f"Causes: {query}", "\n".join(lines))
    r.llm("b", f"Explain: {answer.splitlines()[-1]}")


def json_leaf(r: Recorder, query: str) -> None:
    said = {"plan": {"goal": words(query), "steps": [words(query + "b"), 3]}}
    r.llm("a", f"Return JSON: {query}", f"```json\n{json.dumps(said)}\n```")
    r.llm("b", f"Do {said['plan']['steps'][0]} for {said['plan']['goal']}")


def python_truth(r: Recorder, query: str) -> None:
    said = {"topic": words(query), "ok": words(query) < "H"}
    r.llm("a", f"Return JSON: {query}", json.dumps(said))
    r.llm("b", f"Explain {said['topic']} ({said['ok']})")


def tool_arguments(r: Recorder, query: str) -> None:
    arguments = json.dumps({"query": words(query)})
    asked = [{"role": "user", "content": query}]
    call = r.tool("a", asked, ToolCall(f"call_{words(query, 2)}", "find", arguments))
    r.embed("b", json.loads(call.arguments)["query"])
    said = {"role": "assistant", "call": {"id": call.id, "arguments": call.arguments}}
    r.llm("c", [*asked, said, {"role": "tool", "id": call.id, "content": "done"}])


def vector_and_items(r: Recorder, query: str) -> None:
    items = r.search("b", r.embed("a", query))
    top = items[0]
    r.llm("c", f"{top.text}\nfrom page {top.metadata['page']} of {top.id}\n{query}")


def mean_of_vectors(r: Recorder, query: str) -> None:
    answer = r.llm("a", f"Write a passage: {query}")
    rows = [r.embed("b", text) for text in (query, answer)]
    mean = [(x + y) / 2 for x, y in zip(*rows, strict=True)]
    r.llm("d", r.search("c", mean)[0].text)


def helper_items(r: Recorder, query: str) -> None:
    items = r.search("b", r.embed("a", query))
    packed = r.helper("pack", [items[0].text[7:31] + "|", items[1].text[3:29] + "|"])
    r.llm("c", f"Sum up: {packed[0]}")


def number_of_lines(r: Recorder, query: str) -> None:
    lines = [words(f"{query}{i}") for i in range(2 + len(query) % 3)]
    r.llm("a", f"Plan: {query}", "\n".join(lines))
    r.llm("b", f"There are {len(lines)} steps, the first is {lines[0]}")


@pytest.mark.parametrize(
    "app",
    [
        *(input_alone, whole_answer, stripped_answer, lower_and_upper, python_literal, cut),
        *(escaped_twice, first_line, last_line, json_leaf, python_truth, tool_arguments),
        *(vector_and_items, mean_of_vectors, helper_items, number_of_lines),
    ],
)
def test_a_request_of_known_values_is_predicted_to_the_byte(app: App) -> None:
    assert is_exact(app, calls=5)
