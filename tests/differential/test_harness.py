"""The harness itself: it lets nothing through that a caller could notice."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.instrumentation.events.query import QueryStartEvent
from llama_index.core.response_synthesizers import ResponseMode
from llama_index_instrumentation import get_dispatcher

from ayo_bridge import accelerate
from tests.differential import harness
from tests.differential import llama_index_parts as parts
from tests.differential.compare import difference, log_difference
from tests.differential.harness import Case, Env, compare, runtime_for
from tests.differential.llama_index import CALLBACKS, LLAMA_INDEX, settings
from tests.differential.plain import Names, plain, renamed
from tests.differential.record import Log, Seen

CASE = Case(
    "planted",
    lambda env: parts.engine(env, ResponseMode.TREE_SUMMARIZE, chunk=64, top_k=3),
    queries=("one question",),
)


@pytest.fixture(autouse=True)
def _settings() -> Iterator[None]:
    with settings():
        yield


def _run(
    env: Env, directory: Path, monkeypatch: pytest.MonkeyPatch, plant: Any, **options: Any
) -> None:
    def planted(obj: Any, runtime: Any) -> Any:
        fast = accelerate(obj, runtime=runtime)
        original = type(fast).query
        type.__setattr__(
            type(fast), "query", lambda self, query: plant(lambda: original(self, query))
        )
        return fast

    monkeypatch.setattr(harness, "_accelerate", planted)
    runtime = runtime_for(CASE, directory, **options)
    try:
        compare(LLAMA_INDEX, CASE, "query", env, runtime).check(CASE, "query")
    finally:
        runtime.close()


Call = Callable[[], Any]


def _other_text(call: Call) -> Any:
    response = call()
    response.response += " "
    return response


def _other_score(by: float) -> Callable[[Call], Any]:
    def plant(call: Call) -> Any:
        response = call()
        response.source_nodes[1].score += by
        return response

    return plant


def _swapped_nodes(call: Call) -> Any:
    response = call()
    nodes = response.source_nodes
    nodes[0], nodes[1] = nodes[1], nodes[0]
    return response


def _reordered_metadata(call: Call) -> Any:
    response = call()
    response.metadata = dict(reversed(response.metadata.items()))
    return response


def _other_type(call: Call) -> Any:
    response = call()
    response.__class__ = type("Response", (type(response),), {})
    return response


def _one_more_event(call: Call) -> Any:
    response = call()
    get_dispatcher("root").event(QueryStartEvent(query="again"))
    return response


def _one_more_callback(call: Call) -> Any:
    response = call()
    CALLBACKS.on_event_start("llm", {}, event_id="x", parent_id="root")
    return response


def _twice(call: Call) -> Any:
    call()
    return call()


def _raises(call: Call) -> Any:
    call()
    raise ValueError("planted")


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (_other_text, "result"),
        (_other_score(1e-4), "score"),
        (_swapped_nodes, "result"),
        (_reordered_metadata, "keys"),
        (_other_type, "keys"),
        (_one_more_event, "log"),
        (_one_more_callback, "log"),
        (_twice, "requests"),
        (_raises, "planted"),
    ],
)
def test_a_planted_difference_is_found(
    plant: Any, found: str, env: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AssertionError, match=found):
        _run(env, tmp_path, monkeypatch, plant)


def test_nothing_planted_is_nothing_found(
    env: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(env, tmp_path, monkeypatch, lambda call: call())


def test_the_last_bits_of_a_score_may_differ_unless_strict(
    env: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(env, tmp_path, monkeypatch, _other_score(1e-8))
    with pytest.raises(AssertionError, match="score"):
        _run(env, tmp_path, monkeypatch, _other_score(1e-8), strict=True)


# Logs.

_Entry = tuple[str, str] | tuple[str, str, str | None]


def _log(*entries: _Entry) -> Log:
    log = Log()
    for kind, name, *parent in entries:
        above = parent[0] if parent else None
        log.add(Seen(kind, name, above if kind == "event" else name, above))
    return log


NESTED: tuple[_Entry, ...] = (
    ("enter", "query", None),
    ("enter", "embed", "query"),
    ("exit", "embed"),
    ("enter", "search", "query"),
    ("exit", "search"),
    ("exit", "query"),
)
SIBLINGS: tuple[_Entry, ...] = (
    ("enter", "query", None),
    ("enter", "first", "query"),
    ("enter", "second", "query"),
    ("event", "a", "first"),
    ("exit", "second"),
    ("exit", "first"),
    ("enter", "last", "query"),
    ("exit", "last"),
    ("exit", "query"),
)


def test_sequential_spans_keep_their_order() -> None:
    swapped = (NESTED[0], *NESTED[3:5], *NESTED[1:3], NESTED[5])
    assert not _log(*NESTED).concurrent
    assert log_difference(_log(*NESTED), _log(*NESTED), _log(*NESTED), 0.0) is None
    assert log_difference(_log(*NESTED), _log(*NESTED), _log(*swapped), 0.0)


def test_concurrent_siblings_may_come_in_any_order_and_nothing_else_may() -> None:
    original = _log(*SIBLINGS)
    assert original.concurrent
    other = list(SIBLINGS)
    other[1], other[2] = other[2], other[1]
    assert log_difference(original, original, _log(*other), 0.0) is None
    moved = [*SIBLINGS[:1], *SIBLINGS[6:8], *SIBLINGS[1:6], SIBLINGS[8]]
    assert log_difference(original, original, _log(*moved), 0.0)
    elsewhere = list(SIBLINGS)
    elsewhere[3] = ("event", "a", "second")
    assert log_difference(original, original, _log(*elsewhere), 0.0)


# Values.


def test_ids_are_numbered_so_that_references_stay_comparable() -> None:
    one, two = (f"0000000{n}-0000-4000-8000-000000000000" for n in (1, 2))
    names = Names()
    assert renamed([one, two, one], names) == ["<id 0>", "<id 1>", "<id 0>"]
    assert renamed(f"chatcmpl-{one[:8]} at 0x7f00aa11", names) == "chatcmpl-<id> at 0x"


def test_types_are_part_of_a_value() -> None:
    import numpy as np

    pairs = [((1,), [1]), (1, True), (1, 1.0), (np.float32(1), 1.0), (b"a", "a")]
    for one, two in pairs:
        assert difference(plain(one), plain(two)), (one, two)


def test_snapshots_do_not_change_later() -> None:
    node = parts.nodes()[0]
    before = plain(node)
    node.metadata["new"] = 1
    assert before == plain(parts.nodes()[0])
    assert copy.deepcopy(before) == before
