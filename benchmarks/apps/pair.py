"""Naive and advanced RAG in one service, on the same engines at once (paper, Fig. 9)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from benchmarks.apps import advanced, naive
from benchmarks.apps.making import when_asked
from benchmarks.apps.settings import Settings


def make(settings: Settings) -> Callable[[str, str, str], str]:
    """The program: ``app`` says which of the two answers."""
    programs = {"naive": naive.make(settings), "advanced": advanced.make(settings)}

    def answer(question: str, document: str, app: str) -> str:
        return programs[app](question, document)

    return answer


def tuned(settings: Settings) -> Callable[[str, str, str], Awaitable[str]]:
    """Those of an expert."""
    programs = {"naive": naive.tuned(settings), "advanced": advanced.tuned(settings)}

    async def answer(question: str, document: str, app: str) -> str:
        return await programs[app](question, document)

    return answer


__getattr__ = when_asked(__name__, answer=make, tuned_answer=tuned)
