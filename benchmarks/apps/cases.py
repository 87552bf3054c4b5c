"""The programs that are measured, and what each is asked."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge import Runtime, accelerate
from ayo_bridge.bench import ORIGINAL, Arm, Made
from ayo_bridge.bench.sessions import Session
from ayo_bridge.verify.target import Loaded, known
from benchmarks.apps import texts
from benchmarks.apps.settings import Settings
from benchmarks.apps.web import SEARCH

TUNED: Final = "tuned"
OURS: Final = "ayo"


@dataclass(frozen=True, slots=True)
class Case:
    """A program by its module. ``asks`` makes its inputs of a question's number and texts."""

    name: str
    what: str
    asks: Callable[[int, dict[str, str]], dict[str, str]]
    paper: bool = True
    """Whether it is one of the paper's four."""
    endpoint: str = ""
    """What makes the program as it is served to several at once; empty: as it is."""

    def loaded(self, settings: Settings) -> Loaded:
        """The program as its author has it."""
        return known(self._module.make(settings), self.name)

    def served(self, settings: Settings) -> Loaded:
        """The program as its author serves it to several at once."""
        make = getattr(self._module, self.endpoint or "make")
        return known(make(settings), self.name)

    def sessions(self, count: int, characters: int | None = None) -> list[Session]:
        """What it is asked, each question once; of documents so many ``characters``."""
        given = texts.asked(count) if characters is None else texts.parts(count, characters)
        return [(self.asks(at, asked),) for at, asked in enumerate(given)]

    def arms(self, settings: Settings) -> list[Arm]:
        """As its author has it, accelerated, and as an expert would have written it."""
        arms = [ORIGINAL, Arm(OURS, _accelerated)]
        if hasattr(self._module, "tuned"):
            program = self._module.tuned
            arms.append(Arm(TUNED, lambda loaded, calls: Made(program(settings))))
        return arms

    @property
    def _module(self) -> Any:
        return importlib.import_module(f"benchmarks.apps.{self.name}")


def _accelerated(loaded: Loaded, calls: int) -> Made:
    """What is learned by other processes is not used, so that runs can be compared."""
    runtime = Runtime(dialects=[SEARCH], templates=False, verify=0.0, history=max(32, calls))
    return Made(accelerate(loaded.obj, runtime=runtime), runtime)


def _both(at: int, asked: dict[str, str]) -> dict[str, str]:
    return asked


def _question(at: int, asked: dict[str, str]) -> dict[str, str]:
    return {"question": asked["question"]}


def _in_turns(at: int, asked: dict[str, str]) -> dict[str, str]:
    return {**asked, "app": ("naive", "advanced")[at % 2]}


CASES: Final = {
    case.name: case
    for case in (
        Case("search", "search-engine-empowered generation", _question),
        Case("naive", "naive RAG with upload", _both),
        Case("advanced", "advanced RAG with upload", _both),
        Case("contextual", "contextual retrieval", _both, endpoint="served"),
        Case("pair", "naive and advanced RAG on the same engines", _in_turns, paper=False),
        Case("agent", "an agent in LangGraph", _question, paper=False),
    )
}
