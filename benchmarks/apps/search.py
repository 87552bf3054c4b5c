"""Search-engine-empowered generation: a judge decides whether the web is asked (paper, Fig. 2, 8).

A proxy answers from memory, a judge reads that; where it wants one, there is a web search, and the
core LLM answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

import httpx

from benchmarks.apps import engines
from benchmarks.apps.making import baselines, when_asked
from benchmarks.apps.modules import LLM, WEB, Chain, Module
from benchmarks.apps.settings import Settings

PROXY: Final = "Answer the question in a sentence, from memory.\nQuestion: {question}"
JUDGE: Final = (
    "Below are a question and an answer to it that was written from memory. Would a web search be "
    "needed to answer it well? Say yes or no.\nQuestion: {question}\nAnswer: {draft}"
)
CORE: Final = (
    "Answer the question. Use the search results, if there are any.\nQuestion: {question}\n"
    "Search results:\n{results}"
)
DRAFT_TOKENS: Final = 20
VERDICT_TOKENS: Final = 2
ANSWER_TOKENS: Final = 40
"""Lengths as in benchmarks/paper: from the shares of 2.3 s in the paper's Fig. 1."""


def wanted(verdict: str) -> bool:
    """Whether a judge wants a search: unless it says no."""
    return not verdict.strip().lower().startswith("no")


def joined(found: Sequence[str]) -> str:
    """Results as the core LLM reads them."""
    return "\n\n".join(found)


class Models(NamedTuple):
    """One LLM in its three parts: LlamaIndex's class prefers its own length to that of a call."""

    proxy: Any
    judge: Any
    core: Any


def models(settings: Settings, engines: Any = engines) -> Models:
    """Each answers as briefly as its part wants."""
    lengths = (DRAFT_TOKENS, VERDICT_TOKENS, ANSWER_TOKENS)
    return Models(*(engines.llm(settings, max_tokens=length) for length in lengths))


def make(settings: Settings) -> Callable[[str], str]:
    """The program: a question gives an answer."""
    llm = models(settings)
    search = engines.web(settings)

    def answer(question: str) -> str:
        draft = llm.proxy.complete(PROXY.format(question=question)).text
        verdict = llm.judge.complete(JUDGE.format(question=question, draft=draft)).text
        found = search(question) if wanted(verdict) else []
        return str(llm.core.complete(CORE.format(question=question, results=joined(found))))

    return answer


def tuned(settings: Settings) -> Callable[[str], Awaitable[str]]:
    """The program of an expert: asynchronous."""
    llm = models(settings)
    client = httpx.AsyncClient(timeout=60.0)

    async def search(question: str) -> list[str]:
        asked = {"q": question, "num": engines.RESULTS}
        reply = await client.post(settings.web, json=asked)
        reply.raise_for_status()
        return [hit["snippet"] for hit in reply.json()["organic"]]

    async def answer(question: str) -> str:
        draft = await llm.proxy.acomplete(PROXY.format(question=question))
        verdict = await llm.judge.acomplete(JUDGE.format(question=question, draft=draft.text))
        found = await search(question) if wanted(verdict.text) else []
        return str(await llm.core.acomplete(CORE.format(question=question, results=joined(found))))

    return answer


def chain(settings: Settings, engines: Any = engines) -> Chain:
    """The same as modules; all of them follow one another."""
    llm = models(settings, engines)

    def draft(question: str) -> str:
        return str(llm.proxy.complete(PROXY.format(question=question)))

    def needed(question: str, draft: str) -> bool:
        return wanted(str(llm.judge.complete(JUDGE.format(question=question, draft=draft))))

    def write(question: str, found: list[str]) -> str:
        return str(llm.core.complete(CORE.format(question=question, results=joined(found))))

    return Chain(
        "search",
        ("question",),
        (
            Module("proxy", draft, ("question",), (LLM,)),
            Module("judge", needed, ("question", "proxy"), (LLM,)),
            Module("web", engines.web(settings), ("question",), (WEB,), when="judge", otherwise=[]),
            Module("answer", write, ("question", "web"), (LLM,)),
        ),
    )


__getattr__ = when_asked(__name__, answer=make, tuned_answer=tuned, arms=baselines(__name__))
