"""Between asking for a result and making the call, the occurrence is the original's already."""

from __future__ import annotations

from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import EngineKind
from tests.runahead.fakes import GatedEngine, call, open_scope


def test_a_call_that_was_asked_for_is_not_made_ahead() -> None:
    engine, runtime = GatedEngine(), Runtime()
    runtime.register(engine)
    engine.gate.set()
    scope = open_scope(runtime, {"p": [call("a")]}, ahead=("later",))
    assert scope.claim("a") is None
    scope.run_ahead("p")  # From another thread, just now.
    observation = scope.direct("llm", EngineKind.LLM, "a")
    observation.done("own")
    scope.close()
    runtime.close()
    assert engine.served == []
    assert [str(c.outcome) for c in scope.record.calls] == ["direct"]


def test_occurrences_are_counted_one_by_one() -> None:
    engine, runtime = GatedEngine(), Runtime()
    runtime.register(engine)
    engine.gate.set()
    scope = open_scope(runtime, {"p": [call("a")], "q": [call("a")]}, ahead=("later",))
    assert scope.claim("a") is None
    scope.direct("llm", EngineKind.LLM, "a").done("own")
    scope.run_ahead("p")
    scope.run_ahead("q")
    ticket = scope.claim("a")
    assert ticket is not None
    assert ticket.wait() is not None
    scope.close()
    runtime.close()
    assert engine.served == ["a"]
