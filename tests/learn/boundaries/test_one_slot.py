"""An Ollama server works on one call at a time unless it is told otherwise: that is found."""

from __future__ import annotations

import ollama

from ayo_bridge import Runtime
from ayo_bridge.engines.openai_http.address import origin
from ayo_bridge.seam import Outcome
from tests.adapters.python.programs import outcomes, question
from tests.learn.boundaries.arms import taught
from tests.stub_openai import StubOpenAI

_CALLS = 6
_ENOUGH = 200


def test_nothing_runs_ahead_of_an_ollama_with_one_slot_and_nothing_is_asked_in_vain(
    runtime: Runtime,
) -> None:
    with StubOpenAI(latency=0.005, slots=1) as stub:
        stub.reply_when(lambda request: True, text="yes")
        client = ollama.Client(host=stub.root_url)

        def answer(query: str) -> str:
            asked = [f"What is number {number} of {query}?" for number in range(_CALLS)]
            return " ".join(
                str(client.generate(model="stub", prompt=each, stream=False).response)
                for each in asked
            )

        fast = taught(answer, runtime)
        load = runtime.load(origin(stub.root_url))
        began, now = len(stub.requests), runtime.clock()
        # With one slot, time is how many calls have been made: whatever else this machine does.
        runtime.clock = lambda: now + len(stub.requests)
        ahead = number = 0
        while "no work ahead" not in load.description and number < _ENOUGH:
            fast(question(number))
            number += 1
            ahead += outcomes(fast)[Outcome.HIT]
        assert "queries were not faster with it" in load.description
        assert ahead  # It was tried.
        assert len(stub.requests) - began == _CALLS * number
        assert {request.path for request in stub.requests} == {"/api/generate"}

        stub.max_in_flight = 0
        assert fast(question(5)) == " ".join(["yes"] * _CALLS)
        assert outcomes(fast) == {Outcome.DIRECT: _CALLS}
        assert stub.max_in_flight == 1
