"""A cell: the same question to an application over equal servers, as it is and accelerated."""

from __future__ import annotations

import asyncio
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from ayo_bridge import Runtime, accelerate
from ayo_bridge.profile import ProfileStore
from tests.deadline import eventually
from tests.differential.langchain_parts import ASKS_FOR_LINES
from tests.faults.matrix.entries import ENTRIES, App, Client, Entry, ask
from tests.faults.matrix.rows import FAULTS, Fault
from tests.stub_openai import Body, StubOpenAI, faults, hashed_text

LATENCY = 0.01
SLACK = 0.3
"""By so many seconds the accelerated call may be over later."""
QUESTION = "What grows in the north?"
_PROXIES = ("HTTP_PROXY", "http_proxy")


@dataclass(frozen=True)
class Seen:
    """What became of a question."""

    outcome: str
    seconds: float = 0.0
    left: int = 0
    """Requests that the server still had in work a while after the call."""
    astray: int = 0
    """Requests that went past the proxy."""
    then: str = ""
    """What became of the same question when the server was well again."""


@cache
def right(entry: Entry) -> tuple[str, int]:
    """What the original gives where nothing fails, and how many calls that costs."""
    with ExitStack() as stack:
        loop, stub = stack.enter_context(_loop()), stack.enter_context(_server())
        client = Client(stub.base_url, streaming=entry.streaming)
        app = stack.enter_context(_app(entry, client, loop))
        outcome = _outcome(lambda: ask(entry, app.obj, QUESTION, loop))
        return outcome, len(stub.calls)


def run(entry: Entry, fault: Fault, directory: Path, *, fast: bool) -> Seen:
    """Ask while the server fails; when accelerated before and after that, too."""
    calls = right(entry)[1]
    with ExitStack() as stack:
        loop, stub = stack.enter_context(_loop()), stack.enter_context(_server())
        server = stack.enter_context(_behind(stub)) if fault.proxy else stub
        client = Client(server.base_url, fault.timeout, fault.retries, entry.streaming)
        app = stack.enter_context(_app(entry, client, loop))
        obj = stack.enter_context(_accelerated(app, directory)) if fast else app.obj
        if fast and not fault.cold:
            ask(entry, obj, "What does the keeper write?", loop)
            faults.well(stub)
        fault.plan(calls)(stub)
        seen = _failing(stub, loop, lambda: ask(entry, obj, QUESTION, loop))
        faults.well(stub)
        if fast:
            eventually(lambda: not stub.away, "the server's coming back", 5)
            seen = replace(seen, then=_outcome(lambda: ask(entry, obj, QUESTION, loop)))
        return replace(seen, astray=len(server.calls) if fault.proxy else 0)


def _failing(stub: StubOpenAI, loop: asyncio.AbstractEventLoop, put: Callable[[], Any]) -> Seen:
    """Ask; the loop runs on, as that of an application does, while siblings of what failed end."""
    started = time.perf_counter()
    outcome = _outcome(put)
    seconds = time.perf_counter() - started
    deadline = time.monotonic() + 2
    while stub.in_flight and time.monotonic() < deadline:
        loop.run_until_complete(asyncio.sleep(0.005))
    return Seen(outcome, seconds, stub.in_flight)


def _outcome(put: Callable[[], Any]) -> str:
    try:
        return repr(put())
    except Exception as error:
        kind = type(error)
        notes = "; ".join(getattr(error, "__notes__", ()))
        return f"raised {kind.__module__}.{kind.__qualname__}: {error} {notes}".rstrip()


def _lines(body: Body) -> str:
    """Three queries where they are asked for."""
    words = hashed_text(body)
    if any(sign in str(body) for sign in (ASKS_FOR_LINES, "one on each line")):
        return "\n".join(f"{line} {words.split()[0]}" for line in ("first", "second", "third"))
    return words


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    try:
        yield loop
    finally:
        loop.run_until_complete(_end_all())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _end_all() -> None:
    """Cancel what a failed call has left, as ``asyncio.run`` does."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _server() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=LATENCY) as stub:
        stub.text = _lines
        yield stub


@contextmanager
def _app(entry: Entry, client: Client, loop: asyncio.AbstractEventLoop) -> Iterator[App]:
    app = entry.build(client)
    try:
        yield app
    finally:
        loop.run_until_complete(app.aclose())


@contextmanager
def _behind(proxy: StubOpenAI) -> Iterator[StubOpenAI]:
    """A server that refuses all who come to it directly; ``proxy`` answers for it."""
    before = {name: os.environ.get(name) for name in (*_PROXIES, "NO_PROXY", "no_proxy")}
    with StubOpenAI(latency=0.0) as server:
        faults.every(status=403)(server)
        os.environ.update(dict.fromkeys(_PROXIES, proxy.root_url))
        os.environ.pop("NO_PROXY", None)
        os.environ.pop("no_proxy", None)
        try:
            yield server
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


@contextmanager
def _accelerated(app: App, directory: Path) -> Iterator[Any]:
    runtime = Runtime(measure=False, profiles=ProfileStore(directory))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield accelerate(app.obj, runtime=runtime)
    finally:
        runtime.close()


# Comparing.


@dataclass(frozen=True)
class Cell:
    """Both arms of a cell, and what is right where nothing fails."""

    original: Seen
    accelerated: Seen
    right: str
    heals: bool

    @property
    def healed(self) -> bool:
        """The original failed, and the accelerated one gave the right answer."""
        return self.original.outcome != self.accelerated.outcome == self.right

    @property
    def late(self) -> float:
        """Seconds by which the accelerated call was over later."""
        return self.accelerated.seconds - self.original.seconds

    def differences(self) -> list[str]:
        """What differs that may not."""
        one, fast = self.original, self.accelerated
        found = []
        if one.outcome != fast.outcome and not (self.heals and self.healed):
            found.append(f"the original gave {one.outcome}, the accelerated one {fast.outcome}")
        if fast.then != self.right:
            found.append(f"when all is well it gave {fast.then}, not {self.right}")
        if fast.left > one.left:
            found.append(f"requests left at the server: {one.left}, accelerated {fast.left}")
        if fast.astray > one.astray:
            found.append(f"requests past the proxy: {one.astray}, accelerated {fast.astray}")
        if self.late > SLACK:
            found.append(f"took {one.seconds:.2f} s, accelerated {fast.seconds:.2f} s")
        return found


def compared(entry: Entry, fault: Fault, directory: Path) -> Cell:
    """Run both arms. A machine that is busy can make either late, so time has three tries."""
    cell = _once(entry, fault, directory)
    for _ in range(2):
        if cell.late <= SLACK:
            break
        again = _once(entry, fault, directory)
        if again.late < cell.late:
            cell = again
    return cell


def _once(entry: Entry, fault: Fault, directory: Path) -> Cell:
    original = run(entry, fault, directory, fast=False)
    accelerated = run(entry, fault, directory, fast=True)
    return Cell(original, accelerated, right(entry)[0], fault.heals)


def cells(*, every: bool = False) -> list[tuple[Fault, Entry]]:
    """All that say something new, or all there are."""
    return [
        (fault, entry) for fault in FAULTS for entry in ENTRIES if every or fault.concerns(entry)
    ]
