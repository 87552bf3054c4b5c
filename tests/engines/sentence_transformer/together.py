"""Texts and pairs, and calls that are queued together before any is served."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from ayo_bridge.graph import Graph, Op, Primitive, Template
from ayo_bridge.runahead import Plan, Scope
from ayo_bridge.runtime import Runtime
from ayo_bridge.schedule import Work
from ayo_bridge.seam import Call, EngineCall, entered
from tests.scopes import open_scope

TOLERANCE = 1e-6
DEADLINE = 30.0
TEXTS = [
    "What is the capital of France?",
    "Ferries of the northern islands run twice a day in summer and once in winter.",
    "",
    "naïve café — ünïcödé 🚢",
    "The council met on Tuesday. " * 40,
    "x",
]
SHORT = [text for text in TEXTS if len(text) < 100]
PAIRS = [("capital of France", text) for text in TEXTS if text]
SHORT_PAIRS = [pair for pair in PAIRS if len(pair[1]) < 100]


class Ahead:
    """A maker of one primitive with given calls, whose value is the list of their results."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = calls
        self.results: list[Any] = []

    def calls(self, work: Work) -> Sequence[Call]:
        return self._calls

    def outputs(self, work: Work, results: Sequence[object]) -> dict[str, object]:
        self.results = list(results)
        return {"made": list(results)}


def scope_with_ahead(runtime: Runtime, *calls: Call) -> tuple[Scope, Ahead]:
    made = Primitive("made", Op.EMBEDDING, "c", calls[0].engine, outputs=("made",))
    graph, maker = Graph([made]), Ahead(calls)
    plan = Plan(
        Template(()),
        graph,
        graph,
        ahead=frozenset({"made"}),
        makers={("c", Op.EMBEDDING): maker},
    )
    scope = open_scope(runtime, plan)
    scope.start({})
    return scope, maker


class Busy:
    """Keeps all instances of an engine busy until told otherwise."""

    def __init__(self, runtime: Runtime, engine: str) -> None:
        self._scheduler = runtime.scheduler(engine)
        self._running, self._release = threading.Semaphore(0), threading.Event()
        self._queued = threading.Semaphore(0)
        instances = self._scheduler.engine.limits.instances
        self._threads = [threading.Thread(target=self._hold, daemon=True) for _ in range(instances)]

    def _hold(self) -> None:
        def block() -> None:
            self._running.release()
            assert self._release.wait(DEADLINE)

        busy = Call(self._scheduler.engine.name, "busy", None, group="busy")
        here, _ = self._scheduler.run_here(busy, block)
        assert here

    def __enter__(self) -> "Busy":
        submit = self._scheduler.submit

        def counted(*args: Any, **kwargs: Any) -> Any:
            request = submit(*args, **kwargs)
            self._queued.release()
            return request

        for thread in self._threads:
            thread.start()
        assert all(self._running.acquire(timeout=DEADLINE) for _ in self._threads)
        run_here = self._scheduler.run_here

        def counted_here(*args: Any, **kwargs: Any) -> tuple[bool, object]:
            here, result = run_here(*args, **kwargs)
            if here:  # It shares no batch, and waits for nobody.
                self._queued.release()
            return here, result

        self._scheduler.submit = counted  # type: ignore[method-assign]
        self._scheduler.run_here = counted_here  # type: ignore[method-assign]
        return self

    def wait_for_a_request(self) -> None:
        assert self._queued.acquire(timeout=DEADLINE)

    def release(self) -> None:
        self._release.set()

    def __exit__(self, *exc: object) -> None:
        self._release.set()
        for thread in self._threads:
            thread.join(DEADLINE)
        del self._scheduler.submit, self._scheduler.run_here


def run_together(
    runtime: Runtime, engine: str, calls: Sequence[Callable[[], Any]]
) -> list[tuple[Any, EngineCall]]:
    """Make each call under a scope of its own, all of them queued before any is served."""

    def make(call: Callable[[], Any]) -> tuple[Any, EngineCall]:
        scope = open_scope(runtime)
        with entered(scope):
            try:
                result = call()
            except Exception as error:
                result = error
        scope.close()
        (record,) = scope.record.calls
        return result, record

    with ThreadPoolExecutor(len(calls)) as pool, Busy(runtime, engine) as busy:
        made = []
        for call in calls:  # One after another: the order is known.
            made.append(pool.submit(make, call))
            busy.wait_for_a_request()
        busy.release()
        wait(made, DEADLINE)
    return [future.result(0) for future in made]


def same_kind(got: Any, expected: Any) -> None:
    assert type(got) is type(expected)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape


def close_to(got: Any, expected: Any) -> None:
    same_kind(got, expected)
    assert np.abs(np.asarray(got) - np.asarray(expected)).max() <= TOLERANCE
