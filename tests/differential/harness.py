"""Runs a program as it is and accelerated, and compares all that an application could notice.

In: a table of cases. Out: the first difference, or nothing. A case says how to build the object and
what to ask it; an entry says how (``query``, ``aquery``, ``stream``, ...). Each is run on fresh
objects, by all of its queries in a row, in one event loop: as it is and accelerated, and where the
original does things at the same time once more as it is, since what varies then is its freedom.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from ayo_bridge import Runtime, accelerate, stats
from ayo_bridge.engines.openai_http.request import MARK
from ayo_bridge.errors import NotAcceleratedWarning
from ayo_bridge.observe import Stats
from ayo_bridge.profile import Curve, EngineProfile, LLMProfile, Profile, ProfileStore
from ayo_bridge.schedule import EngineScheduler
from ayo_bridge.seam import Engine, EngineKind
from tests.deadline import eventually
from tests.differential.compare import difference, log_difference
from tests.differential.plain import Names, Plain, error, plain, renamed
from tests.differential.record import Log
from tests.stub_openai import StubOpenAI, StubRequest

TOLERANCE = 1e-6
"""By so much a score may move where batches are fused; by nothing with ``strict=True``."""

_DELIVERY = ("stream", "stream_options", "priority")


@dataclass
class Env:
    """What a case is built from. ``fixture`` gives a test's fixture by its name."""

    stub: StubOpenAI
    fixture: Callable[[str], Any]
    streaming: bool = False
    """Whether the entry that is tested wants a streaming object."""


@dataclass(frozen=True)
class Entry:
    """A way to ask an object. ``ask`` returns what the caller would look at."""

    ask: Callable[[Any, Any], Any]
    streaming: bool = False
    concurrent: bool = False
    """Whether ``ask`` is a coroutine function."""


@dataclass(frozen=True)
class Framework:
    """How to ask objects of a framework and how to watch it."""

    name: str
    entries: Mapping[str, Entry]
    watching: Callable[[Log], AbstractContextManager[None]]


@dataclass(frozen=True)
class Case:
    """A row of a table.

    Args:
        name: unique among the rows of a framework.
        build: makes the object, anew for each run.
        queries: asked one after the other; a callable makes a fresh one for each run.
        entries: names of the framework's entries.
        runtime: options of the :class:`Runtime`.
        ahead: names of the entries where something has to be computed ahead and used; an
            accelerated run that only passes through proves little.
        requests: LLM requests that the original makes for the first query, to be sure that the row
            is what its name says; ``None`` where a framework's retries decide.
        script: scripts the stub before each run.
        stops_early: the original gives up at its first error; what had been sent ahead by
            then is wasted, so the accelerated run may send more of its requests, but none fewer.
        real: needs a real engine other than the small models.
    """

    name: str
    build: Callable[[Env], Any]
    queries: Sequence[Any] = ("What grows in the north?", "Who keeps the ledger?")
    entries: Sequence[str] = ("query", "aquery")
    runtime: Mapping[str, Any] = field(default_factory=dict)
    ahead: Sequence[str] = ()
    requests: int | None = None
    script: Callable[[StubOpenAI], object] | None = None
    stops_early: bool = False
    real: bool = False


class EagerRuntime(Runtime):
    """Takes every engine to cost what is said here, so that every pass finds something to gain and
    does the same each time: a stub that answers at once would teach it that there is nothing."""

    def register(self, engine: Engine) -> EngineScheduler:
        """Give the engine a profile too: batches of two, prompts that are dear."""
        scheduler = super().register(engine)
        if engine.name not in self.profiles.profiles():
            self.profiles.publish(engine.name, _profile(engine.kind))
        return scheduler

    def observe(self, request: Any) -> None:
        """Learn nothing."""


def _profile(kind: EngineKind) -> Profile:
    if kind is EngineKind.LLM:
        return LLMProfile(prefill_base=0.02, prefill_per_token=0.002, decode_per_token=0.01)
    points = tuple((items, 0.01 + 0.01 * items) for items in (1, 2, 4))
    return EngineProfile(kind.value, Curve(points), best_batch=2)


@dataclass
class Outcome:
    """All that one call of an object lets its caller and its observers see."""

    result: Plain
    raised: bool
    log: Log
    requests: Counter[str]
    marked: Counter[str]
    """Requests that no original makes, by their mark; declared, not compared."""
    messages: list[str]
    query: Plain
    """The query afterwards: frameworks write into it."""


class _Messages(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(("ayo_", "asyncio")):
            text = Names(numbered=False).text(record.getMessage())
            self.seen.append(f"{record.levelname} {record.name}: {text}")


@contextmanager
def _messages() -> Iterator[list[str]]:
    handler = _Messages()
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield handler.seen
    finally:
        root.removeHandler(handler)


def canonical(request: StubRequest) -> str:
    """A request without what says only how its reply is delivered."""
    body = {key: value for key, value in request.body.items() if key not in _DELIVERY}
    own = {
        name: value
        for name, value in request.headers.items()
        if name == "authorization"
        or (name.startswith("x-") and not name.startswith("x-stainless") and name != MARK)
    }
    return json.dumps([request.path, own, body], sort_keys=True)


def _requests(stub: StubOpenAI, start: int) -> tuple[Counter[str], Counter[str]]:
    eventually(lambda: stub.in_flight == 0, "the end of all requests", 10)
    seen = stub.requests[start:]
    made = Counter(canonical(request) for request in seen if request.mark is None)
    return made, Counter(request.mark for request in seen if request.mark is not None)


class _Call:
    """One call under observation."""

    def __init__(self, env: Env, framework: Framework, query: Any) -> None:
        self._env = env
        self._framework = framework
        self.query = query() if callable(query) else query
        self._start = len(env.stub.requests)
        self._log = Log()
        self._result: Plain = None
        self._raised = False
        self._seen: list[str] = []

    @contextmanager
    def watched(self) -> Iterator[None]:
        with _messages() as self._seen, self._framework.watching(self._log):
            try:
                yield
            except Exception as raised:
                self.raised(raised)

    def returned(self, result: Any) -> None:
        self._result = plain(result)

    def raised(self, exception: BaseException) -> None:
        self._result, self._raised = error(exception), True

    def outcome(self) -> Outcome:
        made, marked = _requests(self._env.stub, self._start)
        return Outcome(
            renamed(self._result, Names(numbered=False)),
            self._raised,
            self._log,
            made,
            marked,
            self._seen,
            plain(self.query),
        )


def observe(env: Env, framework: Framework, obj: Any, entry: Entry, query: Any) -> Outcome:
    """Ask ``obj`` once and note everything."""
    call = _Call(env, framework, query)
    with call.watched():
        call.returned(entry.ask(obj, call.query))
    return call.outcome()


async def observe_async(
    env: Env, framework: Framework, obj: Any, entry: Entry, query: Any
) -> Outcome:
    """Like :func:`observe`, for entries that are awaited."""
    call = _Call(env, framework, query)
    with call.watched():
        asked: Awaitable[Any] = entry.ask(obj, call.query)
        call.returned(await asked)
    return call.outcome()


# Comparing.


def outcome_difference(
    original: Outcome,
    again: Outcome,
    accelerated: Outcome,
    tolerance: float,
    *,
    stops_early: bool = False,
) -> str | None:
    """The first thing in which an accelerated call differs from the original one."""
    if original.raised != accelerated.raised:
        return f"the original gave {original.result}, the accelerated one {accelerated.result}"
    sent = accelerated.requests
    if stops_early and original.raised:
        sent = sent & original.requests
    return (
        difference(original.result, accelerated.result, tolerance, "result")
        or difference(
            sorted(original.requests.elements()), sorted(sent.elements()), path="requests"
        )
        or log_difference(original.log, again.log, accelerated.log, tolerance)
        or difference(original.query, accelerated.query, tolerance, "query afterwards")
        or difference(sorted(original.messages), sorted(accelerated.messages), path="messages")
    )


@dataclass
class Comparison:
    """What came out of a case."""

    original: list[Outcome]
    again: list[Outcome]
    accelerated: list[Outcome]
    stats: Stats
    tolerance: float

    def check(self, case: Case, entry: str) -> None:
        """Fail the test on the first difference.

        Raises:
            AssertionError: names the query and what differs.
        """
        for number, (one, two, fast) in enumerate(
            zip(self.original, self.again, self.accelerated, strict=True)
        ):
            where = f"{case.name}, {entry}, query {number}"
            # Where nothing varies it was asked once only: both are the same outcome.
            unstable = outcome_difference(one, two, two, 0.0) if two is not one else None
            assert unstable is None, f"{where}: the original itself varies: {unstable}"
            if number == 0 and case.requests is not None and not one.raised:
                assert sum(one.requests.values()) == case.requests, where
            found = outcome_difference(one, two, fast, self.tolerance, stops_early=case.stops_early)
            assert found is None, f"{where}: {found}"
        if entry in case.ahead:
            assert self.stats.hits, f"{case.name}, {entry}: nothing ran ahead\n{self.stats}"


def runtime_for(case: Case, directory: Any, **more: Any) -> Runtime:
    """A runtime of its own for a case."""
    options = {"profiles": ProfileStore(directory), **case.runtime, **more}
    return EagerRuntime(**options)


def _prepared(env: Env, case: Case) -> Any:
    env.stub.reset()
    if case.script is not None:
        case.script(env.stub)
    return case.build(env)


def _accelerate(obj: Any, runtime: Runtime) -> Any:
    with warnings.catch_warnings():  # Some rows are there to show that nothing is done.
        warnings.simplefilter("ignore", NotAcceleratedWarning)
        return accelerate(obj, runtime=runtime)


def compare(
    framework: Framework, case: Case, entry_name: str, env: Env, runtime: Runtime
) -> Comparison:
    """Run a case by a synchronous entry."""
    entry = framework.entries[entry_name]

    def run(obj: Any) -> list[Outcome]:
        return [observe(env, framework, obj, entry, query) for query in case.queries]

    original = run(_prepared(env, case))
    again = run(_prepared(env, case)) if _concurrent(original) else original
    fast = _accelerate(_prepared(env, case), runtime)
    return Comparison(original, again, run(fast), stats(fast), _tolerance(runtime))


async def compare_async(
    framework: Framework, case: Case, entry_name: str, env: Env, runtime: Runtime
) -> Comparison:
    """Run a case by an asynchronous entry, all in one loop: the clients of the OpenAI SDK break
    when they are used in a second one."""
    entry = framework.entries[entry_name]

    async def run(obj: Any) -> list[Outcome]:
        return [await observe_async(env, framework, obj, entry, query) for query in case.queries]

    original = await run(_prepared(env, case))
    again = await run(_prepared(env, case)) if _concurrent(original) else original
    fast = _accelerate(_prepared(env, case), runtime)
    return Comparison(original, again, await run(fast), stats(fast), _tolerance(runtime))


def _concurrent(outcomes: list[Outcome]) -> bool:
    return any(outcome.log.concurrent for outcome in outcomes)


def _tolerance(runtime: Runtime) -> float:
    return 0.0 if runtime.strict else TOLERANCE
