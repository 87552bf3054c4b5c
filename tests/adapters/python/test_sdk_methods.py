"""Methods of the SDK beside ``create``: what they add to their requests disturbs no others."""

from __future__ import annotations

import json
from typing import Any

import pydantic
import pytest

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.seam import Outcome
from tests.adapters.python.programs import asked, client_of, learned, outcomes, question, taught
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Parts(pydantic.BaseModel):
    names: list[str]


def _parts(request: Any) -> str:
    topic = request.prompt.rpartition(" ")[2]
    return json.dumps({"names": [f"{part} of {topic}" for part in ("source", "course", "mouth")]})


@pytest.mark.parametrize("parsed_last", [True, False])
def test_what_is_parsed_beside_what_is_created_leaves_both_ahead(
    parsed_last: bool, stub: StubOpenAI, runtime: Runtime
) -> None:
    client = client_of(stub)
    stub.reply_when(lambda request: "response_format" in request.body, text=_parts)

    def parsed(prompt: str) -> list[str]:
        reply = client.chat.completions.parse(
            model="stub",
            messages=[{"role": "user", "content": prompt}],
            response_format=Parts,
        )
        found = reply.choices[0].message.parsed
        assert found is not None
        return found.names

    def answer(query: str) -> list[str]:
        names = parsed(f"Name the parts: {query}")
        told = [asked(client, f"Tell of {name}: {query}") for name in names]
        return [*told, *(parsed("\n".join(told)) if parsed_last else ())]

    fast = taught(answer, runtime)
    for number in range(10, 14):
        assert fast(question(number)) == answer(question(number))
        assert outcomes(fast) == {Outcome.DIRECT: 1 + parsed_last, Outcome.HIT: 3}


def test_headers_that_one_place_names_leave_another_ahead(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = client_of(stub)

    def answer(query: str) -> str:
        causes = client.chat.completions.create(
            model="stub",
            messages=[{"role": "user", "content": f"List the causes: {query}"}],
            extra_headers={"X-Part": "causes"},
        )
        effects = asked(client, f"List the effects: {query}")
        return f"{causes.choices[0].message.content} {effects}"

    fast = taught(answer, runtime)
    for number in range(10, 14):
        assert fast(question(number)) == answer(question(number))
        assert outcomes(fast) == {Outcome.DIRECT: 1, Outcome.HIT: 1}


def test_what_a_streaming_method_tells_of_itself_does_not_keep_it_from_running_ahead(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = client_of(stub)

    def answer(query: str) -> str:
        causes = asked(client, f"List the causes: {query}")
        effects = [{"role": "user", "content": f"List the effects: {query}"}]
        with client.chat.completions.stream(model="stub", messages=effects) as stream:  # type: ignore[arg-type]
            stream.until_done()
            return f"{causes} {stream.get_final_completion().choices[0].message.content}"

    fast = taught(answer, runtime)
    for number in range(10, 14):
        assert fast(question(number)) == answer(question(number))
        assert outcomes(fast) == {Outcome.DIRECT: 1, Outcome.HIT: 1}


@pytest.mark.parametrize("rotates", [True, False])
def test_little_leaves_under_a_key_that_the_client_has_not_yet_or_not_any_more(
    rotates: bool, stub: StubOpenAI, runtime: Runtime
) -> None:
    client = client_of(stub, "key-0")

    def answer(query: str, number: int) -> str:
        causes = asked(client, f"List the causes: {query}")
        if rotates or number == 20:
            client.api_key = f"key-{number}"
        effects = asked(client, f"List the effects: {query}")
        return f"{causes} {effects}"

    fast = accelerate(answer, runtime=runtime)
    for number in range(4):
        fast(question(number), number)
    learned(fast)
    stub.reset()
    for number in range(10, 40):
        fast(question(number), number)
        if rotates and number == 25:
            learned(fast)
    sent = [call for call in stub.calls if "effects" in call.prompt]
    assert len(sent) == 30 + (2 if rotates else 1)
    assert outcomes(fast)[Outcome.HIT] == (0 if rotates else 1)
    assert ("its client had other headers by then" in explain(fast).full()) == rotates
