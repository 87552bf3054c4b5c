"""Which engines have replicas: what a runtime was told."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextvars import Context
from typing import Any, Final

from ayo_bridge.engines.declared import Servers
from ayo_bridge.engines.dialects import DIALECTS
from ayo_bridge.engines.openai_http.replica_checks import watch
from ayo_bridge.engines.openai_http.replicas import Replicas
from ayo_bridge.schedule.limits import MOST, START
from ayo_bridge.seam import Engine, EngineKind

_NAMELESS: Final = frozenset({each.name for each in DIALECTS if not each.model} | {"unknown model"})
"""What models are called whose requests do not name them: their server has only that one."""


class Replicated:
    """The declared servers of a runtime; false where there are none.

    Args:
        declared: what the user says.
        clock: seconds.
        submit: runs a coroutine on the runtime's loop.
    """

    def __init__(
        self,
        declared: Sequence[Servers],
        clock: Callable[[], float],
        submit: Callable[[Coroutine[Any, Any, None]], Future[Any]],
    ) -> None:
        self.all = tuple(
            # Not in the context of the call that comes first: its scope would live as long.
            Replicas(each, clock, lambda check: Context().run(submit, watch(check)))
            for each in declared
        )

    def __bool__(self) -> bool:
        return bool(self.all)

    def routes(self, engine: Engine) -> Replicas | None:
        """The replicas of an engine, which is named after its model, and perhaps its address."""
        whole = engine.name.removeprefix(f"{engine.kind}:")
        named = whole, whole.rpartition("@")[0]
        nameless = engine.kind is not EngineKind.LLM and named[1] in _NAMELESS
        for each in self.all:
            declared = each.declared
            if declared.kind is not engine.kind or engine.server not in each.servers:
                continue
            if declared.model in named or nameless:
                return each
        return None

    def limits(self, server: str) -> dict[str, int]:
        """What an :class:`~ayo_bridge.schedule.limits.AheadLimit` begins with, for all together."""
        count = max((len(each.servers) for each in self.all if server in each.servers), default=1)
        return {"start": START * count, "most": MOST * count}

    def after_fork(self) -> None:
        """Begin anew: at first, and in a forked child."""
        for each in self.all:
            each.after_fork()


__all__ = ["Replicated"]
