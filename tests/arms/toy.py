"""An app whose modules tell when they run."""

from __future__ import annotations

import threading
from typing import Any

from benchmarks.apps.modules import Chain, Module

PATIENCE = 5.0
log: list[str] = []
together = threading.Barrier(2)
"""Two modules wait for each other here, if they are asked to."""


def chain(settings: Any, engines: Any = None) -> Chain:
    def index(document: str) -> str:
        return _told("index", document, wait=document == "meet")

    def expand(question: str) -> str:
        return _told("expand", question, wait=question == "meet")

    def wanted(question: str) -> bool:
        _told("wanted", question)
        return question != "no search"

    def search(indexed: str, expanded: str) -> list[str]:
        return [_told("search", f"{indexed} {expanded}")]

    def answer(found: list[str]) -> str:
        if found == ["I E"]:
            raise LookupError("nothing is found")
        return " ".join(found) or "from memory"

    return Chain(
        "advanced",
        ("question", "document"),
        (
            Module("index", index, ("document",)),
            Module("expand", expand, ("question",)),
            Module("wanted", wanted, ("question",)),
            Module("search", search, ("index", "expand"), when="wanted", otherwise=[]),
            Module("answer", answer, ("search",)),
        ),
    )


def _told(name: str, value: str, *, wait: bool = False) -> str:
    log.append(f"{name} began")
    if wait:
        together.wait(timeout=PATIENCE)
    log.append(f"{name} ended")
    return value
