"""One example in both arms: what differs, if anything does.

Each arm is asked all questions one after the other; after each accelerated call whatever learns in
the background comes to its end, so that what is drawn decides what is learned when. What was
computed ahead in vain is no difference as long as it is counted as such.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from ayo_bridge import Runtime, accelerate, stats
from ayo_bridge.errors import NotAcceleratedWarning
from ayo_bridge.learn.live import learned
from ayo_bridge.learn.live.worker import NAME
from ayo_bridge.learn.tracing.tracer import Tracer
from ayo_bridge.profile import ProfileStore
from tests.compositions import as_functions, as_langchain, as_llama_index
from tests.compositions.algebra import Fields
from tests.compositions.chance import errors_race, first_difference, whichever
from tests.compositions.drawing import Example
from tests.compositions.engines import Engines, failing
from tests.deadline import eventually
from tests.differential import langchain, llama_index
from tests.differential.harness import Entry, Env, Framework
from tests.differential.observing import Outcome, observe, observe_async

T = TypeVar("T")
SLOWER: Final = 50.0
"""Calls are learned as if they took so many times as long: else nothing would be worth its cost."""
QUESTIONS: Final = 7


@dataclass(frozen=True)
class World:
    """A framework with its way to build a tree."""

    framework: Framework
    build: Callable[[Any, Engines, str], Any]
    fields: Callable[[str], Any] = lambda question: {"question": question, "tone": "calm"}
    """A question as a tree of :class:`Fields` is asked it."""

    @property
    def entries(self) -> tuple[str, ...]:
        """By which examples are asked."""
        return tuple(self.framework.entries)


async def _call_async(function: Any, question: str) -> Any:
    return await function(question)


_FUNCTIONS: Final = Framework(
    "functions",
    {
        "call": Entry(lambda function, question: function(question)),
        "await": Entry(_call_async, concurrent=True),
    },
    lambda log: nullcontext(),
)


def _function(tree: Any, engines: Engines, entry: str) -> Any:
    made = as_functions.built_async if entry == "await" else as_functions.built
    return made(tree, engines)


def _bundle(question: str) -> Any:
    from llama_index.core import QueryBundle

    return QueryBundle(question)


def _only(framework: Framework, *entries: str) -> Framework:
    return replace(framework, entries={name: framework.entries[name] for name in entries})


def _in_threads(name: str) -> bool:
    """A ``map`` runs its items in threads, too."""
    return name.startswith("RunnableEach") or langchain.in_threads(name)


WORLDS: Final = {
    "langchain": World(
        replace(langchain.LANGCHAIN, in_threads=_in_threads),
        lambda tree, engines, entry: as_langchain.built(tree, engines),
    ),
    "llama-index": World(
        _only(llama_index.LLAMA_INDEX, "query", "aquery", "stream", "astream"),
        lambda tree, engines, entry: as_llama_index.built(
            tree, engines, streaming="stream" in entry
        ),
        _bundle,
    ),
    "functions": World(_FUNCTIONS, _function),
}


@dataclass
class Seen:
    """What all examples together have come to."""

    examples: int = 0
    calls: int = 0
    hits: int = 0
    wasted: int = 0
    original: int = 0
    raised: int = 0
    entries: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return (
            f"{self.examples} examples, {self.calls} calls ({self.raised} raised), "
            f"{self.original} LLM requests of the original; {self.hits} engine calls ahead were "
            f"used, {self.wasted} were not"
        )


class Comparing:
    """Compares examples of one framework, over engines that all share."""

    def __init__(self, name: str, engines: Engines, folder: Path) -> None:
        self.world = WORLDS[name]
        self.seen = Seen()
        self.engines = engines
        self._env = Env(engines.stub, _no_fixture)
        self._folder = folder
        self._at = 0
        """The number of the question that is being asked."""

    def difference(self, example: Example) -> str | None:
        """The first difference between the original and the accelerated calls."""
        entry = self.world.framework.entries[example.entry]
        entry = replace(entry, streaming="stream" in example.entry)
        build = partial(self.world.build, example.tree, self.engines, example.entry)
        self.engines.stub.reset()
        failing(self.engines.stub, lambda: self._at >= example.sound)
        questions: tuple[Any, ...] = example.questions
        if isinstance(example.tree, Fields):
            # A fresh one for each call: they can be written into.
            questions = tuple(partial(self.world.fields, text) for text in questions)
        with closing(Runtime(measure=False, profiles=ProfileStore(self._folder))) as runtime:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotAcceleratedWarning)
                fast = accelerate(build(), runtime=runtime)
            if entry.concurrent:
                entry = replace(entry, ask=partial(_to_its_end, entry.ask))
            original = self._asked(build(), entry, questions)
            vain: list[int] = []
            accelerated = self._asked(fast, entry, questions, partial(_settle, fast, vain))
            self._count(example, original, stats(fast))
        framework, at_once = self.world.framework, "batch" in example.entry
        # The inputs of a batch, and the steps of a streamed parallel one, race for the first error.
        races = errors_race(example.tree, side_by_side=at_once and entry.concurrent)
        again = original
        found = first_difference(original, again, accelerated, vain, framework, at_once)
        if found is not None and any(each.log.concurrent or each.raised for each in original):
            # What the original itself leaves to chance is no difference.
            again = self._asked(build(), entry, questions)
            found = first_difference(original, again, accelerated, vain, framework, at_once)
        streamed = entry.streaming and self.world is WORLDS["langchain"]
        if found is not None and races and streamed:
            # How much a stream shows of the steps beside one that fails, what these still send, and
            # whether a fallback comes too late for it, is chance.
            return None
        if found is not None and races and entry.concurrent:
            one, two, three = (list(map(whichever, arm)) for arm in (original, again, accelerated))
            found = first_difference(one, two, three, vain, framework, at_once)
        return found

    def _asked(
        self,
        obj: Any,
        entry: Entry,
        questions: tuple[Any, ...],
        after: Callable[[], None] = lambda: None,
    ) -> list[Outcome]:
        framework, outcomes = self.world.framework, []
        own = contextvars.Context()  # What an earlier failure left open is not to be seen in here.
        for self._at, question in enumerate(questions):
            if entry.concurrent:
                asked = observe_async(self._env, framework, obj, entry, question)
                outcomes.append(self._awaited(asked))
                if entry.streaming and _failed(outcomes[-1]):
                    # What an error leaves half read says so to its observers when it is collected:
                    # now, when nobody listens, and not in the middle of the next question.
                    gc.collect()
                    self._awaited(_others_end())
            else:
                outcomes.append(own.run(observe, self._env, framework, obj, entry, question))
            after()
        return outcomes

    def _awaited(self, asked: Coroutine[Any, Any, T]) -> T:
        context = contextvars.copy_context()
        return context.run(self.engines.loop.run_until_complete, asked)

    def _count(self, example: Example, original: list[Outcome], totals: Any) -> None:
        seen = self.seen
        seen.examples += 1
        seen.entries[example.entry] += 1
        seen.calls += len(original)
        seen.hits += totals.hits
        seen.wasted += totals.wasted + totals.dropped + totals.cancelled
        seen.original += sum(each.requests.total() for each in original)
        seen.raised += sum(each.raised for each in original)


async def _to_its_end(ask: Callable[[Any, Any], Any], obj: Any, question: str) -> Any:
    """Ask, and wait for the tasks that an error leaves behind: ``gather`` lets the others run on,
    and what they send would be counted for whatever is asked next."""
    before = asyncio.all_tasks()
    try:
        return await ask(obj, question)
    finally:
        await _others_end(before)


def _failed(outcome: Outcome) -> bool:
    """Whether there was an error, be it rescued."""
    return outcome.raised or any(seen.kind == "drop" for seen in outcome.log.entries)


async def _others_end(spared: Collection[asyncio.Task[Any]] = ()) -> None:
    """Wait for all tasks but this one and those."""
    left_out = {*spared, asyncio.current_task()}
    async with asyncio.timeout(30):
        while left := asyncio.all_tasks() - left_out:
            await asyncio.wait(left)


def _settle(fast: Any, vain: list[int]) -> None:
    """Let what learns in the background end, and note what was made in vain so far."""
    eventually(lambda: all(t.name != NAME for t in threading.enumerate()), "learning")
    totals = stats(fast)
    vain.append(totals.wasted + totals.dropped + totals.cancelled)


def _no_fixture(name: str) -> Any:
    raise LookupError(name)


@contextmanager
def comparing(name: str, engines: Engines, folder: Path) -> Iterator[Comparing]:
    """A comparison in a process in which calls seem to take longer, and nothing is kept on disk."""
    made = Comparing(name, engines, folder)
    with ExitStack() as stack:
        stack.enter_context(_slow_clock())
        if name == "llama-index":
            stack.enter_context(llama_index.settings())
        yield made


@contextmanager
def _slow_clock() -> Iterator[None]:
    import time

    def clock() -> float:
        return SLOWER * time.perf_counter()

    templates = os.environ.get("AYO_TEMPLATES")
    os.environ["AYO_TEMPLATES"] = "0"
    vars(learned)["Tracer"] = partial(Tracer, clock=clock)
    try:
        yield
    finally:
        vars(learned)["Tracer"] = Tracer
        if templates is None:
            del os.environ["AYO_TEMPLATES"]
        else:
            os.environ["AYO_TEMPLATES"] = templates
