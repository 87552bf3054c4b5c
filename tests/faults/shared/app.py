"""A worker process of an application: its users ask an engine that it shares with other workers.

What each question gives is compared with what the worker's own engine gives for it, exceptions
included.
"""

from __future__ import annotations

import importlib
import itertools
import os
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from ayo_bridge import Embedding, RayActor, Runtime, SharedProcess, accelerate
from ayo_bridge.engines.registered_models import engine_for
from ayo_bridge.engines.shared.made import MadeEngine
from ayo_bridge.seam import Call, EngineKind
from tests.engines.shared.echo import make as make_echo

QUESTIONS = 17
WITHIN = 60.0
"""Seconds after which a question counts as one that hangs."""
TOLERANCE = 1e-6
"""Fused batches change the last bits of an embedding."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What a worker is to do. Without a ``model`` an engine that takes no time is shared."""

    placement: SharedProcess | RayActor
    environment: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    users: int = 4
    pause: float = 0.0
    """Seconds between two questions of a user."""


@dataclass
class Seen:
    """What users saw so far."""

    right: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    def add(self, other: Seen) -> None:
        """Sum up."""
        self.right += other.right
        self.wrong.update(other.wrong)
        self.slowest = max(self.slowest, other.slowest)


class App(ABC):
    """Questions, and the two ways to answer them. Every last one fails in both."""

    runtime: Runtime

    @abstractmethod
    def original(self, number: int) -> Any:
        """Ask the engine of this process."""

    @abstractmethod
    def accelerated(self, number: int) -> Any:
        """Ask the one that is shared."""

    @property
    @abstractmethod
    def shares(self) -> bool:
        """Whether calls go to the shared engine now."""


class Echoes(App):
    """An engine of the user's own, asked as a native workflow asks it."""

    def __init__(self, spec: Spec) -> None:
        made = "tests.engines.shared.echo:make"
        kind = EngineKind.EMBEDDING
        engine = MadeEngine("echo", kind, made, placement=spec.placement, seconds=0.005)
        self.runtime = Runtime(engines=[engine], measure=False)
        self._own = make_echo()

    @staticmethod
    def _call(number: int) -> Call:
        asked = {"square": number} if number < QUESTIONS - 1 else {"fails": "no such text"}
        return Call("echo", object(), asked, group="all")

    def original(self, number: int) -> Any:
        return self._own.run([self._call(number)])[0]

    def accelerated(self, number: int) -> Any:
        scheduler = self.runtime.scheduler("echo")
        request = scheduler.submit(self._call(number), query=number, node="n")
        return request.future.result(WITHIN)

    @property
    def shares(self) -> bool:
        return self.runtime.scheduler("echo").engine.elsewhere


class Embeddings(App):
    """A SentenceTransformer of the application's, in an accelerated function."""

    def __init__(self, spec: Spec) -> None:
        library: Any = importlib.import_module("sentence_transformers")
        self._model = model = library.SentenceTransformer(spec.model, device="cpu")
        declared = Embedding(spec.model, placement=spec.placement)
        # Nothing runs ahead: it is the sharing that is tried.
        self.runtime = Runtime(engines=[declared], measure=False, run_ahead=False)

        def embed(number: int) -> Any:
            text = f"What of the ferries of island {number} in winter?"
            prompt = None if number < QUESTIONS - 1 else "unknown"
            return model.encode(text, prompt_name=prompt, show_progress_bar=False)

        self._original = embed
        self._accelerated = accelerate(embed, runtime=self.runtime)

    def original(self, number: int) -> Any:
        return self._original(number)

    def accelerated(self, number: int) -> Any:
        return self._accelerated(number)

    @property
    def shares(self) -> bool:
        return self.runtime.scheduler(engine_for(self._model, self.runtime)).engine.elsewhere


def outcome(ask: Any, number: int) -> Any:
    """What a question gives: numbers, or an exception's type and text."""
    try:
        return ask(number).reshape(-1).tolist()
    except Exception as error:
        return type(error).__name__, str(error)


def alike(got: Any, wanted: Any) -> bool:
    """Whether two outcomes are the same."""
    if isinstance(got, tuple) or isinstance(wanted, tuple):
        return bool(got == wanted)
    pairs = itertools.zip_longest(got, wanted, fillvalue=float("nan"))
    return all(abs(a - b) <= TOLERANCE for a, b in pairs)


class Users:
    """Threads that ask one question after the other, until they are stopped."""

    def __init__(self, app: App, spec: Spec) -> None:
        self._app, self._pause = app, spec.pause
        self._expected = [outcome(app.original, number) for number in range(QUESTIONS)]
        self._lock = threading.Lock()
        self._seen = Seen()
        self._stopped = threading.Event()
        users = range(spec.users)
        self._threads = [threading.Thread(target=self._ask, args=(n,), daemon=True) for n in users]
        for thread in self._threads:
            thread.start()

    def _ask(self, number: int) -> None:
        while not self._stopped.wait(self._pause):
            began = time.monotonic()
            got, wanted = outcome(self._app.accelerated, number), self._expected[number]
            taken = time.monotonic() - began
            with self._lock:
                self._seen.slowest = max(self._seen.slowest, taken)
                if alike(got, wanted):
                    self._seen.right += 1
                else:
                    self._seen.wrong[str(got)[:200]] += 1
            number = (number + 5) % QUESTIONS

    def told(self) -> Seen:
        """What was seen since this was last asked."""
        with self._lock:
            seen, self._seen = self._seen, Seen()
        return seen

    def stop(self) -> int:
        """Ask no more; how many questions hang."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(WITHIN)
        return sum(thread.is_alive() for thread in self._threads)


def work(there: Connection, spec: Spec) -> None:
    """Be a worker: users ask, and who holds the other end of ``there`` is told what they saw."""
    os.environ.update(spec.environment)
    app = (Embeddings if spec.model else Echoes)(spec)
    users = Users(app, spec)
    while True:
        match there.recv():
            case "seen":
                there.send(users.told())
            case "shares":
                there.send(app.shares)
            case "end":
                hanging = users.stop()
                app.runtime.close()
                there.send((hanging, users.told()))
                return
