"""Plans by which a stub fails: each is laid on a stub, and strikes at calls of its own choice.

Calls are counted from 0, in the order in which they reach the server; what no original makes
(warms, probes) is not counted, but a plan that refuses or loses calls does not spare it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, TypeAlias

from tests.stub_openai.requests import Cut, StubRequest
from tests.stub_openai.server import StubOpenAI

Plan: TypeAlias = Callable[[StubOpenAI], None]
"""Has a stub fail from now on."""

SESSION = "session=of-this-client"


def every(**reply: Any) -> Plan:
    """All calls are replied to so; ``reply`` is as for `StubOpenAI.reply_when`."""

    def lay(stub: StubOpenAI) -> None:
        stub.reply_when(lambda request: True, **reply)

    return lay


def at(*numbers: int, **reply: Any) -> Plan:
    """The calls of these numbers are replied to so."""

    def lay(stub: StubOpenAI) -> None:
        struck = set(numbers)
        counting = _counted()
        stub.reply_when(lambda request: counting(request) in struck, **reply)

    return lay


def once(**reply: Any) -> Plan:
    """The first call is replied to so."""
    return at(0, **reply)


def _counted() -> Callable[[StubRequest], int | None]:
    """The number of a call, given once for each; ``None`` for what no original makes."""
    numbers = itertools.count()

    def number(request: StubRequest) -> int | None:
        return None if request.mark is not None else next(numbers)

    return number


def at_most(limit: int, status: int = 429, **reply: Any) -> Plan:
    """A gateway that serves so many calls at a time and refuses the others."""

    def lay(stub: StubOpenAI) -> None:
        stub.reply_when(lambda request: stub.in_flight > limit, status=status, latency=0, **reply)

    return lay


def hangs(*numbers: int, middle: bool = False) -> Plan:
    """These calls get no reply, or half of one; the others get theirs."""
    if middle:
        return at(*numbers, disconnect=3, cut=Cut.HANG)
    return at(*numbers, silent=True, cut=Cut.HANG)


def needs(header: str, status: int = 403) -> Plan:
    """Requests without this header are refused."""

    def lay(stub: StubOpenAI) -> None:
        stub.reply_when(lambda request: header not in request.headers, status=status, latency=0)

    return lay


def session(stub: StubOpenAI) -> None:
    """A cookie is set by the first reply, and has to be there from the second call on."""
    stub.extra_headers.append(("set-cookie", f"{SESSION}; Path=/"))
    started = False

    def stranger(request: StubRequest) -> bool:
        nonlocal started
        first, started = not started, True
        return not first and SESSION not in request.headers.get("cookie", "")

    stub.reply_when(stranger, status=401, latency=0)


def one_slot(stub: StubOpenAI) -> None:
    """A call at a time is worked on, the others wait in line."""
    stub.slots = 1


def together(*plans: Plan) -> Plan:
    """All of these at once."""

    def lay(stub: StubOpenAI) -> None:
        for plan in plans:
            plan(stub)

    return lay


def well(stub: StubOpenAI) -> None:
    """Nothing fails any more; requests and scripts are forgotten."""
    stub.reset()
    stub.extra_headers.clear()
    stub.slots = None
