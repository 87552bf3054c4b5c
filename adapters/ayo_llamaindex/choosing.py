"""Methods of LlamaIndex that go on in one line for one choice and in another for several.

Whichever line it is, what is chosen is asked the same: its engine calls count as made at one site.
Written for llama-index-core 0.14.25.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ayo_bridge.bindings.binding import Target
from ayo_bridge.learn.tracing.sites import see_as_one

_CORE: Final = "llama_index.core"
_QUERY: Final = f"{_CORE}.query_engine.router_query_engine"
_RETRIEVE: Final = f"{_CORE}.retrievers.router_retriever"


def _as_one(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    see_as_one(wrapped.__func__.__code__)  # type: ignore[attr-defined]
    return wrapped(*args, **kwargs)


TARGETS: Final = (
    Target(_QUERY, "RouterQueryEngine._query", _as_one),
    Target(_QUERY, "RouterQueryEngine._aquery", _as_one),
    Target(_RETRIEVE, "RouterRetriever._retrieve", _as_one),
    Target(_RETRIEVE, "RouterRetriever._aretrieve", _as_one),
)
