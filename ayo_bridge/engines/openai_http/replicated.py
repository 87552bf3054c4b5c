"""Which engines have replicas: what a runtime was told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextvars import Context
from typing import Any, Final

from ayo_bridge.engines.declared import LLM, Declared, Servers, check_alike
from ayo_bridge.engines.dialects import DIALECTS
from ayo_bridge.engines.openai_http.replica_checks import watch
from ayo_bridge.engines.openai_http.replicas import Replicas
from ayo_bridge.errors import ArgumentError
from ayo_bridge.events import Event, Facts, log
from ayo_bridge.seam import Engine, EngineKind

_logger: Final = logging.getLogger(__name__)
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
        whole = (engine.asked_as or engine.name).removeprefix(f"{engine.kind}:")
        named = whole, whole.rpartition("@")[0]
        nameless = engine.kind is not EngineKind.LLM and named[1] in _NAMELESS
        found = [
            each
            for each in self.all
            if each.declared.kind is engine.kind and (nameless or each.declared.model in named)
        ]
        ours = next((each for each in found if engine.server in each.servers), None)
        if found and ours is None and engine.server and not nameless:
            model = found[0].declared.model
            reason = f"{engine.server} is no address of its replicas"
            sentence = f"requests for {model} go to the application's own address alone: {reason}"
            log(_logger, Event.LEFT_ALONE, sentence, Facts(engine=engine.server, reason=reason))
        return ours

    def changes(self, declared: LLM | Declared) -> None:
        """Have a declared model other replicas from now on.

        Raises:
            ArgumentError: it has no URLs, none is declared of this model, or that is asked in
                another way.
        """
        servers = declared.servers if isinstance(declared, Declared) else declared
        if not isinstance(servers, Servers):
            raise ArgumentError(
                f"change takes an LLM, or an Embedding or Reranker with urls, not {declared!s}"
            )
        kind, model = servers.kind, servers.model
        for each in self.all:
            before = each.declared
            if (before.kind, before.model) == (kind, model):
                break
        else:
            raise ArgumentError(
                f"no replicas of {model!r} are declared: name them where the Runtime is made"
            )
        for name in ("routing", "session", "hints"):
            if getattr(before, name, None) != getattr(servers, name, None):
                raise ArgumentError(
                    f'{name} of {model!r} is "{getattr(before, name)}": it stays while '
                    "calls are under way"
                )
        if each.external and servers.urls != before.urls:
            raise ArgumentError(
                f"requests for {model!r} go where your application sends them, to its router: "
                "add and remove replicas there"
            )
        check_alike((before.urls[0], *servers.urls), f"urls of {model!r} ")
        each.changes(servers)

    def together(self, server: str) -> tuple[str, int]:
        """The servers to which what is made for one may go: the first, and how many there are.

        They are its replicas, and the replicas of another model that stand beside one of them.
        """
        found, before = {server}, set[str]()
        while found != before:
            before = set(found)
            for each in self.all:
                if not found.isdisjoint(each.servers):
                    found.update(each.servers)
        first = next((name for each in self.all for name in each.servers if name in found), server)
        there = {name for each in self.all for name in each.servers if each.has(name)}
        return first, max(1, len(found & there))

    def after_fork(self) -> None:
        """Begin anew: at first, and in a forked child."""
        for each in self.all:
            each.after_fork()


__all__ = ["Replicated"]
