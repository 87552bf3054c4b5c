"""In: LangChain runnables. Out: the same, running ahead of themselves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ayo_bridge.bindings.engines import BINDINGS as ENGINE_BINDINGS
from ayo_bridge.learn.live.objects import learned_methods
from ayo_bridge.lift.adapter import Adapter
from ayo_bridge.lift.asking import Asking, Given, Making
from ayo_bridge.lift.entries import Base, Entry, Kind
from ayo_bridge.lift.lifted import Asked, Lifted
from ayo_bridge.lift.recognise import class_of, derives
from ayo_bridge.lift.store_rows import BINDINGS as CLIENT_BINDINGS
from ayo_bridge.lift.subclass import Methods
from ayo_bridge.runahead import AcceleratedState
from ayo_langchain.always_used import always_used, asks_by
from ayo_langchain.composing import COMPOSING, composed
from ayo_langchain.graphs import GRAPHS
from ayo_langchain.guide import Guide
from ayo_langchain.helper_rows import HELPERS
from ayo_langchain.ingestion import WRITES
from ayo_langchain.learned import alone
from ayo_langchain.making import makes
from ayo_langchain.store_rows import BINDINGS as POSTGRES_BINDINGS
from ayo_langchain.stored import LangChainIngests
from ayo_langchain.stores import BINDINGS as STORE_BINDINGS
from ayo_langchain.taps import TAPS
from ayo_langchain.unheard import LangChainShows
from ayo_langchain.walk import lift_chain

_ENTRIES: Final = (
    Entry("invoke"),
    Entry("ainvoke", Kind.AWAIT),
    Entry("stream", Kind.STREAM),
    Entry("astream", Kind.ASTREAM),
)
_BATCHES: Final = (Entry("batch", many=True), Entry("abatch", Kind.AWAIT, many=True))
_CLIENTS: Final = (*CLIENT_BINDINGS, *POSTGRES_BINDINGS)
_RUNS: Final = (Entry("run"), Entry("arun", Kind.AWAIT))
"""How agents call tools."""


class LangChainAdapter(Adapter):
    """Lifts runnables of langchain-core.

    Everything else of a runnable (``transform``, ``with_config``, ``get_graph``, ...) is the
    original's. ``astream_events`` and ``astream_log`` come to ``astream`` by themselves.
    """

    name = "langchain"
    required = STORE_BINDINGS
    stores = (*STORE_BINDINGS, *_CLIENTS, WRITES)
    helpers = (*HELPERS, GRAPHS)
    bindings = (*ENGINE_BINDINGS, *TAPS, COMPOSING, *_CLIENTS)
    shows = LangChainShows()
    ingests = LangChainIngests()
    bases = (
        Base("langchain_core.runnables.base", "Runnable", (*_ENTRIES, *_BATCHES)),
        Base("langchain_core.tools.base", "BaseTool", _RUNS),
    )

    def accepts(self, obj: object) -> bool:
        """Whether ``obj`` is a runnable."""
        if "langchain_core.runnables" not in sys.modules:
            return False
        from langchain_core.runnables import Runnable

        return isinstance(obj, Runnable)

    def entries(self, base: type) -> Sequence[Entry]:
        """What applications call of it.

        The default batch calls invoke() for each input, in threads or tasks of its own: there every
        input gets a scope from that, and the engine schedulers fuse across scopes. A sequence
        instead takes all inputs through one step after the other; its loop has to stay whole for
        the events to stay as they are, so one scope serves all inputs of it.
        """
        from langchain_core.runnables import Runnable

        own = [
            entry
            for entry in _BATCHES
            if getattr(base, entry.name, None) is not getattr(Runnable, entry.name)
        ]
        runs = _RUNS if derives(base, "langchain_core.tools.base", "BaseTool") else ()
        return (*_ENTRIES, *own, *runs)

    def methods(self, base: type) -> Mapping[str, Callable[..., Any]]:
        """The composing operators of a sequence."""
        return composed(base)

    def asked(self, entry: Entry, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Asked | None:
        """How many inputs there are; what they are is told by the taps."""
        inputs = args[0] if args else kwargs.get("inputs", ())
        counted = entry.many and hasattr(inputs, "__len__")
        return Asked(entry.sync, copies=len(inputs) if counted else 1)

    def learned(self, obj: Any, state: AcceleratedState, entries: Sequence[Entry]) -> Methods:
        """What lifting can do nothing for is learned from its calls."""
        return learned_methods(obj, state, entries, alone=alone, own=always_used)

    def asks(self, obj: Any, steps: Sequence[str], awaited: bool) -> Asking | None:
        """What a call of a runnable or a store asks by."""
        return asks_by(obj, steps, awaited)

    def makes(self, obj: Any, steps: Sequence[str], given: Given) -> Making | None:
        """What joining runnables comes to, and making prompts and retrievers."""
        return makes(obj, steps, given)

    def lift(self, obj: Any, state: AcceleratedState, asked: Asked) -> Lifted:
        """What it consists of, as far as that can be read off its structure."""
        draft, places = lift_chain(obj, state, asked)
        return draft.lifted(
            class_of(obj).__name__, lambda scope, call: Guide(scope, state, call, places)
        )


adapter = LangChainAdapter()

__all__ = ["LangChainAdapter", "adapter"]
