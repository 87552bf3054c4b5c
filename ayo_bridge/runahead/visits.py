"""The servers that a call asks: by what share of their limits, and what they hear of its end."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache, partial

from ayo_bridge.record.record import CallRecord
from ayo_bridge.schedule import ServerLoad
from ayo_bridge.schedule.server_load import Share
from ayo_bridge.seam import Query


def program_of(record: CallRecord) -> Hashable:
    """What a call is made of: equal in all calls of a program, wherever it makes its objects."""
    made_of = tuple((type(each).__name__, each.name) for each in record.template.components)
    return record.entry, record.template.name, made_of


def kind_of(record: CallRecord, outer: CallRecord | None = None) -> Hashable:
    """With which calls one can be compared: with those of the same object.

    What is called inside of an ``outer`` call may be made anew in each: it is known again by what
    it is made of.
    """
    if outer is None:
        return record.entry, id(record.template)
    return outer.entry, outer.template.name, program_of(record)


class Visits:
    """Those of one call of an accelerated object. Adding to it is atomic.

    Args:
        kind: calls of one kind are compared.
        number: of the call.
        around: of the call inside of which it is made, and as whose its requests count.
    """

    __slots__ = ("_around", "_asked", "_callers", "_held", "_shares", "kind", "number", "query")

    def __init__(self, kind: Hashable, number: int, around: Visits | None = None) -> None:
        self.kind = kind
        self.number = number
        self.query: Query = Query(kind, number) if around is None else around.query
        self._around = around is not None
        self._asked: set[ServerLoad] = set() if around is None else around._asked
        self._shares: dict[ServerLoad, Share] = {}
        self._callers: dict[ServerLoad, Hashable] = {}
        self._held: set[ServerLoad] = set()

    def asks(self, load: ServerLoad) -> Query:
        """A server is asked; returns by whom."""
        self._asked.add(load)
        return self.query

    def share(self, load: ServerLoad, caller: Hashable = None) -> Share:
        """The share of a server's limit that all of the call goes by.

        ``caller`` is who asks there.
        """
        self._callers[load] = caller
        share = self._shares.get(load)
        if share is None:
            share = self._shares[load] = partial(float, load.draw(self.kind))
        return share

    def held(self, load: ServerLoad) -> None:
        """Some of its work ahead had to wait there."""
        self._held.add(load)

    def ended(self, record: CallRecord) -> None:
        """The call has ended well: tell the servers how long it took."""
        tokens = cache(lambda: sum(call.completion_tokens for call in record.noted_calls()))
        for load, share in self._shares.items():
            seconds = (record.ended or record.started) - record.started
            held, caller = load in self._held, self._callers[load]
            load.learn(self.kind, share(), seconds, tokens(), held=held, caller=caller)
        if not self._around:
            for load in self._asked:
                if load.heard(self.kind, record.started, tokens):
                    record.met_others = True
