"""Whether LlamaIndex's makers do what they were written to do, and no user's code is told of it.

Written for llama-index-core 0.14.25.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from ayo_bridge.lift.recognise import class_of, loaded
from ayo_bridge.lift.witness import Witness, checked, witnessed
from ayo_llamaindex.always_used import functions_of
from ayo_llamaindex.known import borrows, replaced
from ayo_llamaindex.taps import TRANSFORMATIONS

_CORE: Final = "llama_index.core"
_CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "callbacks.base": ("CallbackManager",),
    "settings": ("_Settings",),
    "storage.storage_context": ("StorageContext",),
    "storage.docstore.simple_docstore": ("SimpleDocumentStore",),
    "storage.index_store.simple_index_store": ("SimpleIndexStore",),
    "vector_stores.simple": ("SimpleVectorStore",),
    "indices.prompt_helper": ("PromptHelper", "ChatPromptHelper"),
    "schema": ("Document", "TextNode", "QueryBundle"),
    "prompts.base": ("PromptTemplate",),
}
"""What the makers of others make on the way, or ask."""
_FUNCTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "indices.base": ("run_transformations", "resolve_llm"),
    "indices.vector_store.base": ("resolve_embed_model", "embed_nodes", "async_embed_nodes"),
    "ingestion.pipeline": ("run_transformations", "arun_transformations"),
    "query_engine.retriever_query_engine": ("get_response_synthesizer",),
    "retrievers.fusion_retriever": ("resolve_llm",),
}
"""Functions that the makers know from elsewhere."""
_LISTENING: Final = ("llama_index", "llama_index_instrumentation", "opentelemetry", "openinference")
"""Packages whose handlers write down what they are told, and change nothing."""

_verdict: tuple[Witness, bool] | None = None


def intact() -> bool:
    """Whether the makers are the library's own, in a version that is known."""
    global _verdict
    known = _verdict
    if known is None or not known[0].stands():
        with witnessed() as witness:
            known = _verdict = witness, _looked()
    return known[1] and not _is_listened_to()


def is_silent(callbacks: Any) -> bool:
    """Whether no code of the user's is run by a callback manager."""
    if callbacks is None:
        return True
    known = class_of(callbacks) is loaded(f"{_CORE}.callbacks.base", "CallbackManager")
    return known and _are_known(callbacks.handlers)


@cache
def _is_tested() -> bool:
    return TRANSFORMATIONS.unsupported() is None


def _looked() -> bool:
    if not _is_tested():
        return False
    modules = checked(_loaded)  # Nobody makes anything of the others.
    settings = loaded(f"{_CORE}.settings", "Settings")
    return (
        all(
            borrows(f"{_CORE}.{each}", name)
            for each in modules
            for name in _FUNCTIONS.get(each, ())
        )
        and all(
            _is_own(loaded(f"{_CORE}.{each}", name))
            for each in modules
            for name in _CLASSES.get(each, ())
        )
        and type(settings) is loaded(f"{_CORE}.settings", "_Settings")
        and checked(lambda: all(_has(each, "Settings", settings) for each in modules))
    )


def _loaded() -> list[str]:
    return [each for each in (*_CLASSES, *_FUNCTIONS) if f"{_CORE}.{each}" in sys.modules]


def _is_own(cls: type) -> bool:
    return replaced(cls, *functions_of(cls)) is None


def _has(module: str, name: str, value: object) -> bool:
    """Whether a module knows a value by a name, if it knows the name."""
    return vars(sys.modules[f"{_CORE}.{module}"]).get(name, value) is value


def _is_listened_to() -> bool:
    """Whether user's code is told of what is made: it may do anything."""
    settings = loaded(f"{_CORE}.settings", "Settings")
    everybody = loaded(_CORE, "global_handler")
    if not is_silent(settings._callback_manager) or not _are_known([everybody]):
        return True
    manager = loaded("llama_index_instrumentation", "root_manager")
    kinds = {
        type(handler)
        for each in manager.dispatchers.values()  # More than a hundred.
        for handlers in (each.event_handlers, each.span_handlers)
        for handler in handlers
    }
    return not all(map(_only_listens, kinds))


def _are_known(handlers: Iterable[object]) -> bool:
    return all(each is None or _only_listens(type(each)) for each in handlers)


def _only_listens(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in _LISTENING
