"""The harness's parts: what order of events it asks for, and what it takes two values to be."""

from __future__ import annotations

import copy

from tests.differential import llama_index_parts as parts
from tests.differential.compare import difference, log_difference
from tests.differential.plain import Names, plain, renamed
from tests.differential.record import Log, Seen

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


def test_the_order_of_what_runs_in_threads_is_free_even_where_it_did_not_overlap() -> None:
    swapped = _log(NESTED[0], *NESTED[3:5], *NESTED[1:3], NESTED[5])
    original = _log(*NESTED)
    assert log_difference(original, original, swapped, 0.0, lambda name: name == "query") is None
    assert log_difference(original, original, swapped, 0.0, lambda name: name == "root")
    fewer = _log(*NESTED[:3], NESTED[5])
    assert log_difference(original, original, fewer, 0.0, lambda name: name == "query")


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
