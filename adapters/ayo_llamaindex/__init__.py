"""In: LlamaIndex objects that applications call. Out: the same, running ahead of themselves."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from ayo_bridge.bindings.engines import BINDINGS as ENGINE_BINDINGS
from ayo_bridge.errors import NotAcceleratedWarning, announce
from ayo_bridge.learn.live.objects import learned_methods
from ayo_bridge.lift.adapter import Adapter
from ayo_bridge.lift.asking import Asking, Given, Making
from ayo_bridge.lift.entries import Base, Entry
from ayo_bridge.lift.lifted import Asked, Lifted
from ayo_bridge.lift.store_rows import BINDINGS as CLIENT_BINDINGS
from ayo_bridge.lift.subclass import Methods
from ayo_bridge.runahead import AcceleratedState, Scope
from ayo_bridge.runahead.streams import scoped_async_stream, scoped_stream
from ayo_llamaindex.always_used import AlwaysUsed
from ayo_llamaindex.asking import asks_by
from ayo_llamaindex.engines import lift
from ayo_llamaindex.helper_rows import HELPERS
from ayo_llamaindex.ingestion import asked_of, is_pipeline, lift_ingestion
from ayo_llamaindex.learned import ROWS, entries_of, kept, returned
from ayo_llamaindex.llms import broken_vllm
from ayo_llamaindex.making import makes, reads
from ayo_llamaindex.opaque import PARTS
from ayo_llamaindex.retrieval import QUESTION
from ayo_llamaindex.stored import LlamaIndexIngests
from ayo_llamaindex.stores import BINDINGS as STORE_BINDINGS
from ayo_llamaindex.taps import INSTRUMENTATION, TAPS, TRANSFORMATIONS
from ayo_llamaindex.unheard import LlamaIndexShows

_RUNS: Final = ("run", "arun")
"""Entries that take documents; where they take a question, they are learned."""


class LlamaIndexAdapter(Adapter):
    """Lifts query engines and retrievers of llama-index-core, and learns what it cannot lift."""

    name = "llama-index"
    required = (TAPS, HELPERS, TRANSFORMATIONS)
    stores = (*STORE_BINDINGS, *CLIENT_BINDINGS)
    bindings = (PARTS, *ENGINE_BINDINGS, *stores, INSTRUMENTATION)
    helpers = (HELPERS, TRANSFORMATIONS)
    bases = tuple(Base(row.module, row.name, row.entries) for row in ROWS)
    remembers = True
    shows = LlamaIndexShows()
    ingests = LlamaIndexIngests()

    def accepts(self, obj: object) -> bool:
        """Whether ``obj`` has an entry that applications call."""
        known = "llama_index.core" in sys.modules or "workflows" in sys.modules
        return known and bool(entries_of(type(obj)))

    def entries(self, base: type) -> Sequence[Entry]:
        """What applications call of it."""
        return entries_of(base)

    def learned(self, obj: Any, state: AcceleratedState, entries: Sequence[Entry]) -> Methods:
        """What lifting can do nothing for is learned from its calls."""
        return learned_methods(obj, state, entries, returned, own=AlwaysUsed())

    def methods(self, base: type) -> Mapping[str, Any]:
        """What else the copy needs to behave as the original does."""
        return kept(base)

    def asked(self, entry: Entry, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Asked | None:
        """The question; what is no query is left to the original."""
        if entry.name in _RUNS:
            return asked_of(entry, args, kwargs)
        query = args[0] if args else next(iter(kwargs.values()), None)
        if type(query) is str:
            return Asked(entry.sync, {QUESTION: query})
        if isinstance(query, _query_bundle()):
            plain = query.embedding is None and not query.custom_embedding_strs
            return Asked(entry.sync, {QUESTION: query.query_str}, predictable=plain)
        return None

    def asks(self, obj: Any, steps: Sequence[str], awaited: bool) -> Asking | None:
        """What a call of an LLM, a retriever or an engine asks by."""
        return asks_by(obj, steps, awaited)

    def makes(self, obj: Any, steps: Sequence[str], given: Given) -> Making | None:
        """What a call that makes an index, a retriever or an engine comes to."""
        return makes(obj, steps, given)

    def reads(self, obj: Any, name: str) -> Any:
        """The models of the settings."""
        return reads(obj, name)

    def _install(self, verify: float) -> str | None:
        if (broken := broken_vllm()) is not None:
            _say(broken)
        return super()._install(verify)

    def lift(self, obj: Any, state: AcceleratedState, asked: Asked) -> Lifted:
        """What it consists of, as far as that is known."""
        ingestion = lift_ingestion(obj, state, asked) if is_pipeline(obj) else None
        return ingestion or lift(obj, state, asked)

    def returned(self, result: Any, scope: Scope) -> Any:
        """Close the scope, or let it live as long as the response still streams."""
        stream = getattr(result, "response_gen", None)
        if isinstance(stream, Generator):
            result.response_gen = scoped_stream(stream, scope)
        elif isinstance(stream, AsyncGenerator):
            result.response_gen = scoped_async_stream(stream, scope)
        else:
            scope.close()
        return result


@cache
def _say(broken: str) -> None:
    """Say aloud, once in a process, what nobody would look for here."""
    announce(broken, NotAcceleratedWarning, stacklevel=6)


@cache
def _query_bundle() -> type[Any]:
    from llama_index.core.schema import QueryBundle

    return QueryBundle


adapter = LlamaIndexAdapter()

__all__ = ["LlamaIndexAdapter", "adapter"]
