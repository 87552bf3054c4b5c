"""What an app is, before any engine serves it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ayo_bridge.graph import Flow, Template
from ayo_bridge.seam import EngineKind
from ayo_bridge.workflow import Function, Handler, HandlerKey

LLM: Final = "llm"
"""The core LLM, which writes the answer."""
ASSISTANT: Final = "assistant"
"""A smaller LLM: proxy and judge, or the writer of chunks' contexts."""
EMBEDDING: Final = "embedding"
STORE: Final = "store"
RERANKER: Final = "reranker"
WEB: Final = "web"
"""A web search engine."""
TOOLS: Final = "tools"
"""The tools of an agent."""

KINDS: Final[Mapping[str, EngineKind]] = {
    LLM: EngineKind.LLM,
    ASSISTANT: EngineKind.LLM,
    EMBEDDING: EngineKind.EMBEDDING,
    STORE: EngineKind.VECTOR_STORE,
    RERANKER: EngineKind.RERANKER,
    WEB: EngineKind.SEARCH_API,
    TOOLS: EngineKind.SEARCH_API,
}
"""What serves each role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much one query of an app is; each app uses those that it has a use for.

    Tokens are those of the model that reads or writes them. Defaults are the paper's where it
    gives a figure (Ayo, ASPLOS'25, section 7). It gives no length of documents and answers: 48
    chunks are those of its Fig. 4a, lengths of what LLMs write are this module's own.
    """

    chunks: int = 48
    """Chunks of the documents that a query brings along."""
    chunk_tokens: int = 256
    question_tokens: int = 20
    instruction_tokens: int = 60
    """The static start of a prompt (paper: about 60)."""
    queries: int = 3
    """Queries that an expansion writes; steps of an agent's plan."""
    query_tokens: int = 26
    """One of them (the published logs' pieces have 22 to 26)."""
    top_k: int = 3
    """Hits for each search."""
    top_n: int = 3
    """Contexts that the answer is made from."""
    result_tokens: int = 128
    """One result of a search engine or tool."""
    note_tokens: int = 64
    """What the assistant writes: a proxy's answer, the context of a chunk."""
    verdict_tokens: int = 2
    """What a judge writes."""
    answer_tokens: int = 128
    """What the core LLM writes in one call; a tree and a refine chain have several."""


@dataclass(frozen=True, slots=True)
class Form:
    """What an answer must look like for the app to go on with it.

    One of ``choices``; or ``lines`` lines of some length, which may each begin with one of
    ``starts``. A server that can be held to it is (vLLM's structured outputs); what else comes is
    taken as well as it can be.
    """

    choices: tuple[str, ...] = ()
    lines: int = 1
    starts: tuple[str, ...] = ()

    @property
    def regex(self) -> str:
        """The form as a regular expression."""
        if self.choices:
            return f"({'|'.join(map(re.escape, self.choices))})"
        start = f"({'|'.join(self.starts)}): " if self.starts else ""
        line = start + r"[A-Za-z][A-Za-z0-9 ,.'()-]{7,50}"
        return r"\n".join([line] * self.lines)


def _no_forms(sizes: Sizes) -> Mapping[str, Form]:
    return {}


def _no_handlers(sizes: Sizes) -> Mapping[HandlerKey, Handler | Function]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSpec:
    """A description of an app, and how to run it on engines of one's own::

        spec = APPS["advanced"]
        app = App(handlers=spec.handlers(spec.sizes))
        for role, kind in spec.engines.items(): ...  # register an engine called `role`
        await app.submit({"question": ..., "documents": [...]}, spec.workflow(spec.sizes))

    ``workflow`` gives components composed in the order of the original program, with the choices
    of conditions; their engines are the roles above. It is pure: equal sizes, equal flow. Of two
    specs that both handle a component of one name, naive and advanced do so alike, so that one
    :class:`~ayo_bridge.workflow.App` can run both.
    """

    name: str
    what: str
    source: str
    """Where the paper describes it."""
    workflow: Callable[[Sizes], Flow]
    roles: tuple[str, ...]
    inputs: tuple[str, ...] = ("question",)
    """Names of a query's values; ``documents`` is a list of :attr:`Sizes.chunks` texts."""
    sizes: Sizes = field(default_factory=Sizes)
    """The paper's, for this app."""
    handlers: Callable[[Sizes], Mapping[HandlerKey, Handler | Function]] = _no_handlers
    """What is not the default: the instructions of LLM calls, what a condition reads."""
    forms: Callable[[Sizes], Mapping[str, Form]] = _no_forms
    """What LLM calls of a component must answer, if it is not any text."""

    @property
    def engines(self) -> dict[str, EngineKind]:
        """The kind of engine that serves each role of the app."""
        return {role: KINDS[role] for role in self.roles}

    def template(self, sizes: Sizes | None = None) -> Template:
        """The module template, the paper's sizes if none are given.

        A template has no choices: an app with a condition is submitted as its ``workflow``.
        """
        return self.workflow(sizes or self.sizes).template(self.inputs, self.name)
