"""What a call changes, or would do twice, is seen before it is run a second time."""

from __future__ import annotations

import functools
import logging
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ayo_bridge.lift import effects
from ayo_bridge.lift.shows import Shows
from ayo_bridge.lift.untouched import Untouched
from ayo_bridge.runahead.kept import Kept
from ayo_bridge.runahead.verified import ReplayScope, WouldWriteError
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import entered

KEPT: list[str] = []
COUNTS = {"calls": 0}
LOGGER = logging.getLogger("an app")


class Shop:
    """A program's own object."""

    def __init__(self) -> None:
        self.sold = 0

    def sell(self, what: str) -> str:
        self.sold += 1
        return what

    def price(self, what: str) -> int:
        return len(what)


@functools.lru_cache(maxsize=8)
def remembered(what: str) -> str:
    return what.upper()


def keeps(what: str) -> None:
    KEPT.append(what)


def counts(what: str) -> None:
    COUNTS["calls"] += 1


def remembers(what: str) -> str:
    return remembered(what)


def calls_another(what: str) -> None:
    keeps(what)


def asks(what: str) -> str:
    return f"{what} of {len(KEPT)}".title()


def in_a_cell() -> Callable[[str], None]:
    count = 0

    def counted(what: str) -> None:
        nonlocal count
        count += 1

    return counted


def prints(what: str) -> None:
    print(what)


def logs(what: str) -> None:
    LOGGER.warning(what)


def writes(what: str) -> None:
    sys.stdout.write(what)


def imports(what: str) -> None:
    from tests.verify import test_untouched

    test_untouched.KEPT.append(what)


def starts(what: str) -> None:
    threading.Thread(target=prints, args=(what,)).start()


class Plain(Shows):
    """Knows of no framework."""


def since(call: Callable[..., Any]) -> Untouched | str:
    return Untouched.since((call,), (), Plain())


@pytest.mark.parametrize(
    "call",
    [keeps, counts, remembers, calls_another, imports, in_a_cell(), Shop().sell],
    ids=lambda f: f.__name__,
)
def test_what_a_call_changes_is_seen(call: Callable[[str], object]) -> None:
    seen = since(call)
    assert isinstance(seen, Untouched)
    assert seen.changed() == ""
    call(f"bread {len(KEPT)}")
    assert seen.changed().startswith("it changes a ")


@pytest.mark.parametrize("call", [asks, Shop().price], ids=lambda f: f.__name__)
def test_a_call_that_changes_nothing_leaves_all_as_it_was(call: Callable[[str], object]) -> None:
    seen = since(call)
    assert isinstance(seen, Untouched)
    call("bread")
    assert seen.changed() == ""


def test_what_cannot_be_done_twice_is_named() -> None:
    connection = sqlite3.connect(":memory:")
    reasons = [since(each) for each in (prints, writes, logs, starts)]
    reasons.append(since(lambda what: connection.execute(what)))
    connection.close()
    assert reasons == [
        "it prints",
        "it prints",
        "it writes to a log",
        "it starts threads",
        "it uses a Connection, of which nothing is known",
    ]


def test_a_file_is_not_written_in_a_second_run(tmp_path: Path) -> None:
    effects.watch()
    runtime = Runtime(measure=False)
    scope = ReplayScope(runtime, Kept())
    with entered(scope), pytest.raises(WouldWriteError, match="a file is written"):
        (tmp_path / "note").write_text("twice")
    scope.close()
    assert not (tmp_path / "note").exists()
    assert (tmp_path / "other").write_text("once") == 4
