"""The stub's answers: a function of the request, in the format that the prompt asks for."""

import json

import pytest

from benchmarks.learned.replies import ToolUse, reply_to
from tests.stub_openai import Body


def asked(prompt: str, **more: object) -> Body:
    return {"model": "stub", "messages": [{"role": "user", "content": prompt}], **more}


def text(prompt: str) -> str:
    reply = reply_to(asked(prompt))
    assert isinstance(reply, str)
    return reply


def test_equal_requests_get_equal_answers_and_others_do_not() -> None:
    assert text("What is a ferry?") == text("What is a ferry?")
    assert text("What is a ferry?") != text("What is a quarry?")
    assert reply_to(asked("What?", stream=True)) == reply_to(asked("What?"))


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("Is this relevant? Say yes or no.", ("yes", "no")),
        ("You have two options to answer. Either YES/ NO.", ("YES", "NO")),
    ],
)
def test_a_question_for_yes_or_no_gets_one(prompt: str, says: tuple[str, ...]) -> None:
    seen = {text(f"{prompt} {number}") for number in range(30)}
    assert seen == set(says)


def test_a_numbered_list_is_numbered() -> None:
    lines = text("Make a plan as a numbered list.").split("\n")
    assert [line.partition(". ")[0] for line in lines] == [
        str(number) for number in range(1, len(lines) + 1)
    ]


def test_a_selection_is_among_the_choices_that_were_offered() -> None:
    prompt = "Some choices are given below. It is provided in a numbered list (1 to 3), "
    for number in range(20):
        [choice] = json.loads(text(f"{prompt}{number}"))
        assert choice["choice"] in (1, 2, 3)


def test_relevant_documents_are_some_of_those_shown_below_the_example() -> None:
    prompt = (
        "A list of documents is shown below. Document 9: an example. Let's try this now: \n"
        "Document 1:\nwool\nDocument 2:\ncoal\nDocument 3:\ngrain\n"
    )
    for number in range(20):
        lines = text(f"{prompt}{number}").split("\n")
        assert {line.split(",")[0] for line in lines} <= {"Doc: 1", "Doc: 2", "Doc: 3"}


def test_tools_are_used_in_turns_and_then_there_is_an_answer() -> None:
    schema = {"properties": {"query": {"type": "string"}, "most": {"type": "integer"}}}
    tools = [
        {"type": "function", "function": {"name": name, "parameters": schema}} for name in "ab"
    ]
    request = asked("Who?", tools=tools)
    first = reply_to(request)
    assert isinstance(first, ToolUse)
    assert first.name == "a"
    arguments = json.loads(first.arguments)
    assert isinstance(arguments["query"], str)
    assert isinstance(arguments["most"], int)
    request["messages"].append({"role": "assistant", "content": None})
    second = reply_to(request)
    assert isinstance(second, ToolUse)
    assert second.name == "b"
    request["messages"].append({"role": "assistant", "content": None})
    assert isinstance(reply_to(request), str)
