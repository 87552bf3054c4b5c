"""Numbering the visits of tasks that were made in no order of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from ayo_bridge.learn.evidence import Case
from ayo_bridge.learn.induction.joins import Key, keys_of

_MOST_ORDERS = 2
Order = dict[int, list[int]]
"""For each trace (by ``id``) the visits in another order."""


def orders_by_item(cases: Sequence[Case]) -> Iterator[Order]:
    """Orders of the visits that follow the members of one list, one visit a member.

    Some frameworks hand their coroutines to a set: the order in which tasks are made then differs
    from call to call, but each of them works on one item of a list.
    """
    by_trace: dict[int, list[Case]] = defaultdict(list)
    for case in cases:
        by_trace[id(case.whole)].append(case)
    common: dict[Key, Order] | None = None
    for trace, own in by_trace.items():
        orders = _orders(own)
        if common is None:
            common = {key: {trace: order} for key, order in orders.items()}
        else:
            common = {
                key: {**others, trace: orders[key]}
                for key, others in common.items()
                if key in orders
            }
    ranked = sorted((common or {}).items(), key=lambda each: (len(each[0].head), repr(each[0])))
    seen: list[Order] = []
    for _, order in ranked:
        usual = all(visits == sorted(visits) for visits in order.values())
        if not usual and order not in seen and len(seen) < _MOST_ORDERS:
            seen.append(order)
            yield order


def _orders(cases: Sequence[Case]) -> dict[Key, list[int]]:
    """The lists of which every visit of one trace has one member of its own."""
    found: dict[Key, list[int]] = {}
    for at, case in enumerate(cases):
        own: dict[Key, int] = {}
        for token in case.cover(rich=False, helpers=True):
            for source in token.sources:
                for key, index in keys_of(source):
                    if key.head != ("at", case.site):
                        own[key] = min(index, own.get(key, index))
        if at == 0:
            found = {key: [index] for key, index in own.items()}
        else:
            found = {key: [*rest, own[key]] for key, rest in found.items() if key in own}
    return {
        key: sorted(range(len(indexes)), key=indexes.__getitem__)
        for key, indexes in found.items()
        if sorted(indexes) == list(range(len(indexes)))
    }
