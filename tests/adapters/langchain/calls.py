"""One call of a runnable through one of its entry points, and everything that is seen of it."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import Runnable

from ayo_bridge import explain
from tests.adapters.langchain.tracing import Recorder, plain
from tests.stub_openai import StubOpenAI

ENTRIES = ("invoke", "ainvoke", "stream", "astream", "batch", "abatch")
QUESTIONS = ("what of rivers?", "and of bridges?", "or of letters?")
_DELIVERY = ("stream", "stream_options", "priority")


@dataclass
class Seen:
    """What a caller, its handlers and the server see of a call."""

    output: Any
    tree: Any
    events: Any
    requests: Counter[str]


async def made(
    runnable: Runnable[Any, Any],
    entry: str,
    stub: StubOpenAI,
    inputs: Any = QUESTIONS[0],
    **config: Any,
) -> Seen:
    """Call a runnable. The order of events is compared where nothing in it runs concurrently."""
    before = len(stub.calls)
    recorder = Recorder()
    given: Any = {**config, "callbacks": [recorder, *config.pop("handlers", ())]}
    many = list(QUESTIONS) if inputs == QUESTIONS[0] else inputs
    output: Any
    try:
        if entry == "invoke":
            output = runnable.invoke(inputs, given)
        elif entry == "ainvoke":
            output = await runnable.ainvoke(inputs, given)
        elif entry == "stream":
            output = list(runnable.stream(inputs, given))
        elif entry == "astream":
            output = [chunk async for chunk in runnable.astream(inputs, given)]
        elif entry == "batch":
            output = runnable.batch(many, given)
        else:
            output = await runnable.abatch(many, given)
    except Exception as error:
        output = (type(error), _without_address(error), type(error.__cause__))
        await _settled()
    concurrent = entry.startswith("a") or "batch" in entry
    requests = Counter(_canonical(request.body) for request in stub.calls[before:])
    linear = None if concurrent or len(recorder.roots) > 1 else recorder.names()
    return Seen(plain(output), recorder.tree(concurrent=concurrent), linear, requests)


def assert_same(original: Seen, accelerated: Seen, *, threads: bool) -> None:
    """All that was seen is the same. With ``threads`` the original's own order is not fixed."""
    assert accelerated.output == original.output
    assert accelerated.requests == original.requests
    assert accelerated.tree == original.tree
    if not threads:
        assert accelerated.events == original.events


def assert_mapped(accelerated: Runnable[Any, Any], requests: int) -> None:
    """Every request of the last call belongs to a primitive of its graph."""
    shown: Any = explain(accelerated).json()
    known = {primitive["id"] for primitive in shown["e_graph"]["primitives"]}
    calls = [call for call in shown["calls"] if call["engine"].startswith("llm:")]
    assert len(calls) == requests
    assert {call["primitive"] for call in shown["calls"]} <= known
    assert not [call for call in shown["calls"] if call["primitive"].startswith("opaque")]


async def _settled() -> None:
    """Wait for what a failed `abatch` has left running."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


def _canonical(body: dict[str, Any]) -> str:
    kept = {key: value for key, value in body.items() if key not in _DELIVERY}
    return json.dumps(kept, sort_keys=True)


def _without_address(error: BaseException) -> str:
    return str(error).replace("\n", " ")
