"""A function and what was learned of it, side by side: answers, and requests to the byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.engines.openai_http.request import identity
from ayo_bridge.seam import EngineKind, Outcome
from tests.adapters.python.programs import learned, question
from tests.stub_openai import StubOpenAI

Sent = Counter[tuple[str, bytes, Any]]


def sent(stub: StubOpenAI) -> Sent:
    """What has come, to the byte: path, body, and headers that say what is asked by whom."""
    found: Sent = Counter()
    for request in stub.requests:
        if request.mark is None:
            pairs = [(name.encode(), value.encode()) for name, value in request.pairs]
            found[request.path, request.raw, identity(tuple(pairs))] += 1
    stub.requests.clear()
    return found


def taught(function: Callable[[str], Any], runtime: Runtime) -> Any:
    """The function, learned from four calls that answered as it does."""
    fast = accelerate(function, runtime=runtime)
    for number in range(4):
        assert fast(question(number)) == function(question(number))
    learned(fast)
    return fast


def equal_arms(fast: Any, function: Callable[[str], Any], stub: StubOpenAI, number: int) -> None:
    """One call of either: the same answer, and the same requests to the byte."""
    sent(stub)
    expected = function(question(number))
    made = sent(stub)
    assert fast(question(number)) == expected
    assert sent(stub) == made


def ahead(fast: Any) -> Counter[tuple[EngineKind, Outcome]]:
    record = explain(fast).record
    assert record is not None
    return Counter((call.kind, call.outcome) for call in record.calls)
