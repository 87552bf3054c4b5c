"""In: LlamaIndex query engines and retrievers. Out: the same, running ahead of themselves."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from ayo_bridge.errors import NotAcceleratedWarning
from ayo_bridge.lift.subclass import accelerated
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.state import AcceleratedState


class LlamaIndexAdapter:
    """Lifts query engines and retrievers of llama-index-core."""

    name = "llama-index"

    def accepts(self, obj: object) -> bool:
        """Whether ``obj`` is a query engine or a retriever of LlamaIndex."""
        if "llama_index.core" not in sys.modules:
            return False
        from llama_index.core.base.base_query_engine import BaseQueryEngine
        from llama_index.core.base.base_retriever import BaseRetriever

        return isinstance(obj, BaseQueryEngine | BaseRetriever)

    def accelerate(self, obj: Any, runtime: Home) -> Any:
        """Return an object of the same type whose queries run ahead.

        Warns:
            NotAcceleratedWarning: the installed llama-index-core was not tested; ``obj`` itself is
                returned.
        """
        from ayo_bridge.api import again
        from ayo_llamaindex.bindings import install
        from ayo_llamaindex.entry import async_entry, sync_entry
        from ayo_llamaindex.lift import lift_query_engine, lift_retrieval

        reason = install()
        if reason is not None:
            warnings.warn(
                f"{type(obj).__name__} is returned as it is: {reason}",
                NotAcceleratedWarning,
                stacklevel=3,
            )
            return obj
        from llama_index.core.base.base_query_engine import BaseQueryEngine

        base = type(obj)
        if isinstance(obj, BaseQueryEngine):
            methods = {
                "query": sync_entry(base, "query", lift_query_engine),
                "aquery": async_entry(base, "aquery", lift_query_engine),
            }
            lifted = lift_query_engine(obj, runtime, sync=True)
        else:
            methods = {
                "retrieve": sync_entry(base, "retrieve", lift_retrieval),
                "aretrieve": async_entry(base, "aretrieve", lift_retrieval),
            }
            lifted = lift_retrieval(obj, runtime, sync=True)
        state = AcceleratedState(self.name, base.__name__, runtime, lifted.template, again)
        return accelerated(obj, state, methods)


adapter = LlamaIndexAdapter()
