"""In: LangChain runnables. Out: the same, running ahead of themselves."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from ayo_bridge.errors import NotAcceleratedWarning
from ayo_bridge.lift.subclass import accelerated
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.state import AcceleratedState


class LangChainAdapter:
    """Lifts runnables of langchain-core."""

    name = "langchain"

    def accepts(self, obj: object) -> bool:
        """Whether ``obj`` is a runnable."""
        if "langchain_core.runnables" not in sys.modules:
            return False
        from langchain_core.runnables import Runnable

        return isinstance(obj, Runnable)

    def accelerate(self, obj: Any, runtime: Home) -> Any:
        """Return an object of the same type whose calls run ahead.

        Warns:
            NotAcceleratedWarning: the installed langchain-core was not tested; ``obj`` itself is
                returned.
        """
        from ayo_bridge.api import again
        from ayo_langchain.bindings import install
        from ayo_langchain.entry import Entries

        reason = install()
        if reason is not None:
            warnings.warn(
                f"{type(obj).__name__} is returned as it is: {reason}",
                NotAcceleratedWarning,
                stacklevel=3,
            )
            return obj
        base = type(obj)
        entries = Entries(base)
        template = entries.template(obj, runtime)
        state = AcceleratedState(self.name, base.__name__, runtime, template, again)
        return accelerated(obj, state, entries.methods())


adapter = LangChainAdapter()

__all__ = ["LangChainAdapter", "adapter"]
