"""The rows: what is wrong with the server, and for which entries that says something new."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from tests.faults.matrix.entries import Entry
from tests.stub_openai import Cut, faults
from tests.stub_openai.faults import Plan

_SOON = [("retry-after-ms", "10")]
"""The SDK takes this before ``Retry-After``, whose smallest useful value is a second."""
_ONE_OF_A_KIND = ("tree.query", "fusion.aquery", "refine.stream", "chain.invoke")
_MOST = (
    *("tree.query", "tree.aquery", "accumulate.query", "fusion.query", "fusion.stream"),
    *("refine.stream", "chain.ainvoke", "chain.stream", "chain.batch"),
)


@dataclass(frozen=True)
class Fault:
    """A row.

    Args:
        name: unique among the rows.
        plan: makes the plan, told how many calls a question costs where nothing fails.
        entries: names of those entries where it says something new; all but wide ones by default.
        timeout: seconds, of the user's client.
        retries: of the user's client.
        cold: it is there from the first call on; else from the second question on.
        heals: a call ahead may meet the fault in place of the original's, which is then answered
            well; so where the original fails, the right answer is right too.
        proxy: requests have to leave by the proxy of the environment.
    """

    name: str
    plan: Callable[[int], Plan]
    entries: Collection[str] | None = None
    timeout: float = 10.0
    retries: int = 0
    cold: bool = False
    heals: bool = False
    proxy: bool = False

    def concerns(self, entry: Entry) -> bool:
        """Whether it is tried with this entry."""
        return not entry.wide if self.entries is None else entry.name in self.entries


def _just(plan: Plan) -> Callable[[int], Plan]:
    return lambda calls: plan


def _statuses() -> list[Fault]:
    rows = []
    all_of = {429: None, 500: _ONE_OF_A_KIND, 503: _MOST}
    for status in (429, 500, 503):
        some = _MOST if status == 429 else _ONE_OF_A_KIND
        once = faults.once(status=status)
        soon = faults.once(status=status, headers=_SOON)
        rows += [
            Fault(f"{status} once", _just(once), some, heals=True),
            Fault(f"{status} once, client retries", _just(soon), some, retries=2),
            Fault(f"{status} always", _just(faults.every(status=status)), all_of[status]),
        ]
    after = faults.every(status=429, headers=[("retry-after", "20")])
    again = faults.every(status=503, headers=_SOON)
    return [
        *rows,
        Fault("429 always, Retry-After", _just(after), _ONE_OF_A_KIND),
        Fault("503 always, client retries", _just(again), _ONE_OF_A_KIND, retries=2),
        Fault(
            "503 in the middle", lambda n: faults.at(n // 2, status=503), _ONE_OF_A_KIND, heals=True
        ),
        Fault(
            "500 at the last", lambda n: faults.at(n - 1, status=500), _ONE_OF_A_KIND, heals=True
        ),
    ]


_LIMITS = [
    *(Fault(f"429 at {n}", _just(faults.at_most(n)), heals=True) for n in (1, 2)),
    Fault("429 at 4", _just(faults.at_most(4)), ("wide.query", "wide.aquery"), heals=True),
    Fault("503 at 1", _just(faults.at_most(1, 503)), _MOST, heals=True),
    Fault(
        "429 at 1, client retries",
        _just(faults.at_most(1, headers=_SOON)),
        _ONE_OF_A_KIND,
        retries=8,
    ),
    Fault("429 at 1 from the start", _just(faults.at_most(1)), _MOST, cold=True, heals=True),
    Fault("one slot", _just(faults.one_slot), _MOST),
    Fault(
        "one slot, a queue outlasts the client",
        _just(faults.together(faults.one_slot, faults.every(latency=0.15))),
        ("tree.query", "accumulate.query", "refine.query", "chain.invoke"),
        timeout=0.5,
        cold=True,
    ),
]
_SILENCES = [
    Fault("hang at the first", lambda n: faults.hangs(0), _MOST, timeout=0.5),
    Fault("hang in the middle", lambda n: faults.hangs(n // 2), _ONE_OF_A_KIND, timeout=0.5),
    Fault("hang at the last", lambda n: faults.hangs(n - 1), _MOST, timeout=0.5),
    Fault(
        "hang half through a reply",
        lambda n: faults.hangs(n - 1, middle=True),
        ("tree.query", "refine.stream", "chain.stream", "chain.invoke"),
        timeout=0.5,
    ),
    Fault("hang always", lambda n: faults.hangs(*range(99)), _ONE_OF_A_KIND, timeout=0.5),
]
_CUTS = [
    Fault("reset", _just(faults.every(silent=True, cut=Cut.RESET))),
    Fault("reset once", _just(faults.once(silent=True, cut=Cut.RESET)), _ONE_OF_A_KIND, heals=True),
    Fault("close", _just(faults.every(silent=True)), _ONE_OF_A_KIND),
    Fault("cut off", _just(faults.every(disconnect=3)), _MOST),
    Fault("truncated", _just(faults.every(ends_early=3))),
    Fault("garbage", _just(faults.every(garbage=True)), _MOST),
    Fault("garbage once", _just(faults.once(garbage=True)), _ONE_OF_A_KIND, heals=True),
    Fault("restart", lambda n: faults.at(n // 2, restart=0.02), _MOST, heals=True),
]
_DEMANDS = [
    Fault("header refused", _just(faults.needs("x-nobody-sends")), _ONE_OF_A_KIND, cold=True),
    Fault("header required", _just(faults.needs("user-agent")), _MOST, cold=True),
    # Of a batch, chance decides which chain asks before there is a cookie.
    Fault(
        "session cookie required",
        _just(faults.session),
        tuple(name for name in _MOST if not name.endswith("batch")),
        cold=True,
        heals=True,
    ),
    Fault("proxy required", _just(faults.well), _MOST, cold=True, proxy=True),
]
FAULTS = (*_statuses(), *_LIMITS, *_SILENCES, *_CUTS, *_DEMANDS)
